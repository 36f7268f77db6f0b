#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "config/store_url.hpp"
#include "nodes/chat_stream.hpp"
#include "nodes/cli_commands.hpp"
#include "nodes/store_copy.hpp"
#include "runtime/clock.hpp"

namespace sotto {

namespace {

constexpr int64_t progress_every = 1'000'000'000;

/// Where there is nothing to be copied from, nothing is to be made.
failure check_source(const store_options& x) {
  if (!x.url.empty() || std::filesystem::exists(x.folder / "sotto.db"))
    return {};
  return {ec::not_found, fmt::format("there is no store in {}", x.folder.string()), "from"};
}

std::string line(const copy_counts& x) {
  return fmt::format("{} users, {} memories, {} vectors, {} turns, {} summaries", x.owners,
                     x.memories, x.vectors, x.turns, x.summaries);
}

std::string json_line(const copy_counts& x) {
  return nlohmann::ordered_json{{"users", x.owners},
                                {"memories", x.memories},
                                {"vectors", x.vectors},
                                {"turns", x.turns},
                                {"summaries", x.summaries}}
      .dump();
}

} // namespace

int store_copy_command(const cli_call& call, const options& with) {
  auto from = with.store, to = with.store;
  place_store(from, call.from, with.node.data);
  place_store(to, call.to, with.node.data);
  from.schema = call.from_schema.empty() ? with.store.schema : call.from_schema;
  to.schema = call.to_schema.empty() ? with.store.schema : call.to_schema;
  auto last = monotonic_nanos();
  auto progress = [&](std::string_view doing, const copy_counts& x) {
    if (auto now = monotonic_nanos(); now - last >= progress_every) {
      last = now;
      complain(fmt::format("{} {}", doing, line(x)));
    }
  };
  auto why = check_source(from);
  if (!why) {
    auto copied = copy_store(from, to, progress);
    if (copied) {
      print((call.json ? json_line(*copied) : "copied and compared " + line(*copied)) + "\n");
      return exit_ok;
    }
    why = to_failure(copied.error());
  }
  complain(printable("store copy: " + why.message));
  return exit_failure;
}

} // namespace sotto
