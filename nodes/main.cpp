#include <algorithm>
#include <exception>
#include <stdexcept>

#include "actors/emotion_lines.hpp"
#include "actors/sentence_embedder.hpp"
#include "config/load.hpp"
#include "messages/error.hpp"
#include "nodes/cli.hpp"
#include "nodes/cli_commands.hpp"
#include "nodes/node.hpp"
#include "nodes/senses_lines.hpp"
#include "nodes/watcher_command.hpp"
#include "nodes/worker_command.hpp"

namespace {

using namespace sotto;

template <class Engine>
std::shared_ptr<const Engine> load(const options& with, const char* file) {
  auto loaded = Engine::load(find_data_files(with) + '/' + file);
  if (!loaded)
    throw std::runtime_error(to_failure(loaded.error()).message);
  return std::move(*loaded);
}

line_handler open_emotion(const options& with, bool json) {
  auto engine = load<emotion_engine>(with, "emotion.bin");
  if (json)
    return [engine](std::string_view line, std::string& out) {
      append_emotion_line(*engine, line, out);
    };
  return [engine](std::string_view line, std::string& out) {
    append_mood(engine->read(line), line, out);
  };
}

line_handler open_embedding(const options& with, bool json) {
  auto engine = load<sentence_embedder>(with, "words.bin");
  return [engine, json](std::string_view line, std::string& out) {
    append_embedding(engine->embed(line), json, out);
  };
}

} // namespace

int main(int argc, char** argv) {
  try {
    return run_cli({argv + std::min(argc, 1), argv + argc},
                   {run_node, run_worker, run_watcher, open_emotion, open_embedding});
  } catch (const std::exception& problem) {
    complain(problem.what());
    return exit_failure;
  }
}
