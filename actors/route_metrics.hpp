#pragma once

#include <array>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace sotto {

/// What ROUTE publishes; all instruments are made at start.
class route_metrics {
public:
  /// Why what was held is given up: there was no room for it, its deadline passed, or it was held
  /// for as long as anything is.
  enum class why : uint8_t { full, late, moving };

  explicit route_metrics(prometheus::Registry& to)
      : held_(gauge(to, "sotto_route_held", "Calls held for partitions that move")),
        held_bytes_(gauge(to, "sotto_route_held_bytes", "Their bytes")),
        returned_(counter(to, "sotto_route_moved_total",
                          "Calls that a node gave back because it does not own their partition")),
        sent_back_(counter(to, "sotto_route_sent_back_total",
                           "Calls of other nodes that were not passed on to a third node")) {
    auto& calls = prometheus::BuildCounter()
                      .Name("sotto_route_calls_total")
                      .Help("Calls passed on, by where to")
                      .Register(to);
    here_ = &calls.Add({{"to", "here"}});
    peer_ = &calls.Add({{"to", "peer"}});
    auto& refused = prometheus::BuildCounter()
                        .Name("sotto_route_refused_total")
                        .Help("Held calls that were given up, by cause")
                        .Register(to);
    refused_ = {&refused.Add({{"cause", "full"}}), &refused.Add({{"cause", "late"}}),
                &refused.Add({{"cause", "moving"}})};
  }

  void holds(size_t calls, size_t bytes) {
    held_.Set(static_cast<double>(calls));
    held_bytes_.Set(static_cast<double>(bytes));
  }
  void passed(bool here) { (here ? here_ : peer_)->Increment(); }
  void returned() { returned_.Increment(); }
  void sent_back() { sent_back_.Increment(); }
  void refused(why x) { refused_[static_cast<size_t>(x)]->Increment(); }

private:
  static prometheus::Gauge& gauge(prometheus::Registry& to, const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(to).Add({});
  }
  static prometheus::Counter& counter(prometheus::Registry& to, const char* name,
                                      const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(to).Add({});
  }

  prometheus::Gauge &held_, &held_bytes_;
  prometheus::Counter &returned_, &sent_back_;
  prometheus::Counter *here_ = nullptr, *peer_ = nullptr;
  std::array<prometheus::Counter*, 3> refused_{};
};

} // namespace sotto
