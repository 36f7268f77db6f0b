// Emotion readings of arrays of 1,000 short texts: computed directly, through EMOTION, and over
// HTTP: emotions_bench HOST:PORT DATA. One JSON line a measurement.
// Rates are by elapsed time, over HTTP with one array under way and with four. All are measured by
// turns in short rounds, so that a slow moment of the machine hits all of them; the figures are the
// medians of the rounds, of the ratios too.
#include <utility> // before Asio of Boost 1.74, for its awaitable.hpp

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "actors/senses.hpp"
#include "test/bench/talk.hpp"

using namespace sotto;

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using steady = std::chrono::steady_clock;

constexpr size_t array_size = 1'000;
constexpr double round_seconds = 0.2;
constexpr size_t rounds = 15;

std::vector<std::string> make_texts() {
  std::vector<std::string> texts;
  sotto::bench::talk words{1};
  for (size_t i = 0; i < array_size; ++i)
    texts.push_back(words.next());
  return texts;
}

/// One of the ways that are compared, and what was measured of it in each round.
struct way {
  const char* name;
  /// Reads so many arrays.
  size_t arrays;
  std::function<void()> run;
  std::vector<double> rates{}, ratios{};
};

/// Texts a second in one round.
double rate_of(const way& x) {
  auto start = steady::now();
  size_t arrays = 0;
  std::chrono::duration<double> took{0};
  for (; took.count() < round_seconds; took = steady::now() - start, arrays += x.arrays)
    x.run();
  return static_cast<double>(arrays * array_size) / took.count();
}

double median(std::vector<double> of) {
  std::nth_element(of.begin(), of.begin() + static_cast<ptrdiff_t>(of.size() / 2), of.end());
  return of[of.size() / 2];
}

/// The first way is what the others are compared with.
void measure(std::vector<way>& ways) {
  for (auto& x : ways)
    rate_of(x);
  for (size_t i = 0; i < rounds; ++i)
    for (auto& x : ways) {
      x.rates.push_back(rate_of(x));
      x.ratios.push_back(x.rates.back() / ways.front().rates.back());
    }
  for (auto& x : ways)
    std::cout << fmt::format(
        R"({{"name":"{}","texts":{},"unit":"texts/s","value":{:.0f},"of_direct":{:.2f}}})"
        "\n",
        x.name, array_size, median(x.rates), median(x.ratios));
}

class client {
public:
  client(const std::string& host, const std::string& port) : socket_(io_) {
    asio::ip::tcp::resolver resolver{io_};
    asio::connect(socket_, resolver.resolve(host, port));
    socket_.set_option(asio::ip::tcp::no_delay{true});
    // Beast reads as much at a time as there is room for: with less, most of what is measured would
    // be this client's system calls.
    buffer_.reserve(64 << 10);
  }

  void send(const std::string& path, const std::string& body) {
    http::request<http::string_body> ask{http::verb::post, path, 11};
    ask.set(http::field::host, "bench");
    ask.set(http::field::content_type, "application/json");
    ask.body() = body;
    ask.prepare_payload();
    http::write(socket_, ask);
  }

  size_t receive() {
    http::response_parser<http::string_body> answer;
    answer.body_limit(64 << 20);
    http::read(socket_, buffer_, answer);
    if (answer.get().result_int() != 200)
      throw std::runtime_error{answer.get().body()};
    return answer.get().body().size();
  }

private:
  asio::io_context io_;
  asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
};

} // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr
        << "emotions_bench: two arguments, a node's HOST:PORT and the folder of emotion.bin\n";
    return 2;
  }
  auto engine = emotion_engine::load(std::string{argv[2]} + "/emotion.bin");
  if (!engine) {
    std::cerr << "emotions_bench: " << to_failure(engine.error()).message << '\n';
    return 1;
  }
  auto texts = make_texts();
  double sum = 0;
  std::vector<way> ways;
  ways.push_back({"emotion_array_direct", 1, [&] {
                    for (auto& x : texts)
                      sum += (*engine)->read(x).compound;
                  }});

  auto services = std::make_shared<node_services>(1);
  node_config config{services};
  caf::actor_system system{config};
  auto actor = system.spawn(emotion, emotion_work(*engine), std::make_shared<work_places>());
  caf::scoped_actor self{system};
  ways.push_back(
      {"emotion_array_actor", 1, [&] {
         self->request(actor, caf::infinite, context{}, atom::analyse_v, texts)
             .receive([&](const std::vector<emotion_reading>& x) { sum += x.front().compound; },
                      [](caf::error& why) { throw std::runtime_error{to_failure(why).message}; });
       }});

  std::string_view address{argv[1]};
  auto colon = address.rfind(':');
  auto body = nlohmann::json{{"input", texts}}.dump();
  std::string host{address.substr(0, colon)}, port{address.substr(colon + 1)};
  std::vector<std::unique_ptr<client>> clients;
  for (size_t i = 0; i < 4; ++i)
    clients.push_back(std::make_unique<client>(host, port));
  auto over_http = [&](size_t connections) {
    for (size_t i = 0; i < connections; ++i)
      clients[i]->send("/v1/emotions", body);
    for (size_t i = 0; i < connections; ++i)
      sum += static_cast<double>(clients[i]->receive());
  };
  ways.push_back({"emotion_array_http", 1, [&] { over_http(1); }});
  ways.push_back({"emotion_array_http_4", 4, [&] { over_http(4); }});
  measure(ways);
  self->send_exit(actor, caf::exit_reason::user_shutdown);
  return sum == 0 ? 1 : 0;
}
