// Emotion readings of arrays of 1,000 short texts: computed directly, through EMOTION, and over
// HTTP: emotions_bench HOST:PORT DATA. One JSON line a measurement.
// Rates are by elapsed time, over HTTP with one array under way and with four.
#include <utility> // before Asio of Boost 1.74, for its awaitable.hpp

#include <chrono>
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
constexpr double seconds = 2;

std::vector<std::string> make_texts() {
  std::vector<std::string> texts;
  sotto::bench::talk words{1};
  for (size_t i = 0; i < array_size; ++i)
    texts.push_back(words.next());
  return texts;
}

/// Texts a second of `run`, which reads some arrays.
template <class F>
double measure(const char* name, double direct, size_t arrays_a_run, F run) {
  run();
  auto start = steady::now();
  size_t arrays = 0;
  std::chrono::duration<double> took{0};
  for (; took.count() < seconds; took = steady::now() - start, ++arrays)
    run();
  auto rate = static_cast<double>(arrays * arrays_a_run * array_size) / took.count();
  std::cout << fmt::format(
      R"({{"name":"{}","texts":{},"unit":"texts/s","value":{:.0f},"of_direct":{:.2f}}})"
      "\n",
      name, array_size, rate, direct > 0 ? rate / direct : 1.0);
  return rate;
}

class client {
public:
  client(const std::string& host, const std::string& port) : socket_(io_) {
    asio::ip::tcp::resolver resolver{io_};
    asio::connect(socket_, resolver.resolve(host, port));
    socket_.set_option(asio::ip::tcp::no_delay{true});
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
  auto direct = measure("emotion_array_direct", 0, 1, [&] {
    for (auto& x : texts)
      sum += (*engine)->read(x).compound;
  });

  auto services = std::make_shared<node_services>(1);
  node_config config{services};
  {
    caf::actor_system system{config};
    auto actor = system.spawn(emotion, emotion_work(*engine), std::make_shared<work_places>());
    caf::scoped_actor self{system};
    measure("emotion_array_actor", direct, 1, [&] {
      self->request(actor, caf::infinite, context{}, atom::analyse_v, texts)
          .receive([&](const std::vector<emotion_reading>& x) { sum += x.front().compound; },
                   [](caf::error& why) { throw std::runtime_error{to_failure(why).message}; });
    });
    self->send_exit(actor, caf::exit_reason::user_shutdown);
  }

  std::string_view address{argv[1]};
  auto colon = address.rfind(':');
  auto body = nlohmann::json{{"input", texts}}.dump();
  std::string host{address.substr(0, colon)}, port{address.substr(colon + 1)};
  for (size_t connections : {1, 4}) {
    std::vector<std::unique_ptr<client>> clients;
    for (size_t i = 0; i < connections; ++i)
      clients.push_back(std::make_unique<client>(host, port));
    measure(connections == 1 ? "emotion_array_http" : "emotion_array_http_4", direct, connections,
            [&] {
              for (auto& x : clients)
                x->send("/v1/emotions", body);
              for (auto& x : clients)
                sum += static_cast<double>(x->receive());
            });
  }
  return sum == 0 ? 1 : 0;
}
