#include "nodes/memory_metrics.hpp"

#include <fmt/format.h>

#include "runtime/process_figures.hpp"

namespace sotto {

namespace {

void head(std::string& text, const char* name, const char* kind, const char* help) {
  text += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, kind, help);
}

} // namespace

std::shared_ptr<memory_account> make_account(const options& with) {
  auto process =
      with.admission.max_memory != 0 ? with.admission.max_memory : usable_memory() / 4 * 3;
  auto& x = with.session;
  return std::make_shared<memory_account>(x.max_live != 0 ? x.max_live : memory_account::no_limit,
                                          x.max_memory != 0 ? x.max_memory : process / 2,
                                          x.max_kept);
}

void append_memory(std::string& text, const memory_account& x) {
  head(text, "sotto_sessions_live", "gauge", "Conversations in memory");
  text += fmt::format("sotto_sessions_live {}\n", x.live.load());
  head(text, "sotto_memory_bytes", "gauge", "Memory of conversations, roughly, by kind");
  text += fmt::format("sotto_memory_bytes{{kind=\"sessions\"}} {}\n"
                      "sotto_memory_bytes{{kind=\"owners\"}} {}\n"
                      "sotto_memory_bytes{{kind=\"contexts\"}} {}\n",
                      x.session_bytes.load(), x.owner_bytes.load(), x.kept_bytes.load());
  head(text, "sotto_sessions_started_total", "counter", "Sessions started by a message");
  text += fmt::format("sotto_sessions_started_total {}\n", x.started.load());
  head(text, "sotto_sessions_passivated_total", "counter", "Sessions that left memory, by cause");
  for (size_t i = 0; i < leaving_names.size(); ++i)
    text += fmt::format("sotto_sessions_passivated_total{{cause=\"{}\"}} {}\n", leaving_names[i],
                        x.passivated[i].load());
  head(text, "sotto_sessions_refused_total", "counter", "Sessions that there was no room for");
  text += fmt::format("sotto_sessions_refused_total {}\n", x.refused.load());
  head(text, "sotto_owners_evicted_total", "counter", "Loaded owners that left memory");
  text += fmt::format("sotto_owners_evicted_total {}\n", x.owners_evicted.load());
  head(text, "sotto_contexts_total", "counter",
       "Starts of sessions that found the end of their conversation kept, or not");
  text += fmt::format("sotto_contexts_total{{found=\"true\"}} {}\n"
                      "sotto_contexts_total{{found=\"false\"}} {}\n",
                      x.kept_hits.load(), x.kept_misses.load());
}

} // namespace sotto
