#include "nodes/worker_command.hpp"

#include <algorithm>
#include <iostream>

#include <csignal>
#include <fstream>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "actors/analysers.hpp"
#include "config/load.hpp"
#include "nodes/cli.hpp"
#include "runtime/child_process.hpp"
#include "runtime/isolation.hpp"

namespace sotto {

namespace {

template <class Engine>
std::shared_ptr<const Engine> engine_of(const options& with, const char* file) {
  auto loaded = Engine::load(find_data_files(with) + '/' + file);
  return loaded ? std::move(*loaded) : nullptr;
}

frame_handler handler_of(const options& with, const std::string& operation) {
  if (operation == "emotion")
    return serve_frames(emotion_work(engine_of<emotion_engine>(with, "emotion.bin")));
  if (operation == "embedding")
    return serve_frames(embedding_work(engine_of<sentence_embedder>(with, "words.bin")));
  if (operation == "topics")
    return serve_frames(topics_work());
  for (auto& what : custom_analysers())
    if (operation == what.name)
      return serve_frames(what);
  return {};
}

/// Bounds the address space to what the program has now and `more` bytes (0: no bound).
void limit_memory(uint64_t more) {
  if (more == 0)
    return;
  uint64_t pages = 0;
  std::ifstream{"/proc/self/statm"} >> pages;
  auto most = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) + more;
  rlimit both{most, most};
  setrlimit(RLIMIT_AS, &both);
}

} // namespace

const std::vector<std::string>& isolated_operations() {
  static const auto names = [] {
    std::vector<std::string> result{"emotion", "embedding", "topics"};
    for (auto& what : custom_analysers())
      result.push_back(what.name);
    return result;
  }();
  return names;
}

std::vector<std::string> worker_arguments(const options& with, const std::string& operation) {
  return {"/proc/self/exe",
          "worker",
          operation,
          "--set",
          "node.data_files=" + find_data_files(with),
          "--set",
          "work.isolated_memory=" + std::to_string(with.work.isolated_memory)};
}

int run_worker(const options& with, const std::string& operation) {
  prctl(PR_SET_PDEATHSIG, SIGKILL); // also when it is too busy to see its socket close
  limit_memory(with.work.isolated_memory);
  auto handler = handler_of(with, operation);
  if (!handler) {
    std::cerr << "sotto worker: there is no operation '" << operation << "'\n";
    return exit_bad_use;
  }
  return run_child(handler);
}

} // namespace sotto
