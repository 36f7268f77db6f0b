#include "runtime/logging.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "runtime/clock.hpp"

namespace sotto {

namespace {

/// The message with line breaks and other control characters escaped: one message stays one line,
/// and text from outside cannot forge another or steer a terminal.
class escaped_text : public spdlog::custom_flag_formatter {
public:
  void format(const spdlog::details::log_msg& x, const std::tm&,
              spdlog::memory_buf_t& out) override {
    for (char c : x.payload) {
      auto byte = static_cast<unsigned char>(c);
      if (byte >= 0x20 && byte != 0x7f)
        out.push_back(c);
      else
        fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    }
  }

  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<escaped_text>();
  }
};

/// The message as a JSON string.
class json_text : public spdlog::custom_flag_formatter {
public:
  void format(const spdlog::details::log_msg& x, const std::tm&,
              spdlog::memory_buf_t& out) override {
    using json = nlohmann::json;
    auto text = json(std::string{x.payload.data(), x.payload.size()})
                    .dump(-1, ' ', false, json::error_handler_t::replace);
    out.append(text.data(), text.data() + text.size());
  }

  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<json_text>();
  }
};

std::unique_ptr<spdlog::formatter> formatter_for(const std::string& format) {
  auto out = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  out->add_flag<escaped_text>('*').add_flag<json_text>('@');
  if (format == "json")
    out->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","thread":%t,"message":%@})");
  else
    out->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %*");
  return out;
}

std::shared_ptr<spdlog::logger> make_logger(spdlog::sink_ptr sink, const log_options& options) {
  auto out = std::make_shared<spdlog::logger>("sotto", std::move(sink));
  out->set_formatter(formatter_for(options.format));
  out->set_level(options.level == "warn"    ? spdlog::level::warn
                 : options.level == "error" ? spdlog::level::err
                                            : spdlog::level::from_str(options.level));
  out->flush_on(spdlog::level::info);
  return out;
}

} // namespace

std::shared_ptr<spdlog::logger> make_logger(std::ostream& out, const log_options& options) {
  return make_logger(std::make_shared<spdlog::sinks::ostream_sink_mt>(out), options);
}

void start_logging(const log_options& options) {
  spdlog::set_default_logger(
      make_logger(std::make_shared<spdlog::sinks::stderr_sink_mt>(), options));
}

std::optional<uint64_t> log_gate::pass(const std::string& key, int64_t now) {
  std::lock_guard lock{mutex_};
  if (entries_.size() >= max_keys_ && !entries_.contains(key))
    entries_.clear();
  auto [i, fresh] = entries_.try_emplace(key, entry{now});
  if (fresh)
    return 0;
  auto& x = i->second;
  if (now - x.last < interval_) {
    ++x.held;
    return std::nullopt;
  }
  x.last = now;
  return std::exchange(x.held, 0);
}

void warn_seldom(const std::string& key, const std::string& text) {
  constexpr int64_t ten_seconds = 10'000'000'000;
  static log_gate gate{ten_seconds};
  auto held = gate.pass(key, monotonic_nanos());
  if (!held)
    return;
  if (*held == 0)
    spdlog::warn("{}", text);
  else
    spdlog::warn("{} ({} more like this were left out)", text, *held);
}

} // namespace sotto
