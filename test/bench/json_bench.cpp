// What reading and writing bodies costs: json_bench, one JSON line a measurement. Each body is read
// by the quick reader and by the one with a tree. By the CPU time of the process.
#include <ctime>
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "nodes/openai_api.hpp"
#include "test/bench/talk.hpp"

using namespace sotto;

namespace {

constexpr size_t array_size = 1'000;

/// Microseconds a call of `run`, which says how many bytes it read or wrote.
template <class F>
double measure(const char* name, size_t rounds, F run) {
  run();
  size_t bytes = 0;
  auto start = std::clock();
  for (size_t i = 0; i < rounds; ++i)
    bytes += run();
  auto micros = static_cast<double>(std::clock() - start) * 1e6 / CLOCKS_PER_SEC;
  std::cout << fmt::format(
      R"({{"name":"{}","unit":"us","value":{:.2f},"bytes":{},"mb_a_second":{:.0f}}})"
      "\n",
      name, micros / static_cast<double>(rounds), bytes / rounds,
      static_cast<double>(bytes) / micros);
  return micros;
}

nlohmann::json chat_body(size_t messages) {
  sotto::bench::talk words{1};
  nlohmann::json body{{"model", "companion"},
                      {"user", "ada"},
                      {"stream", true},
                      {"temperature", 0.7},
                      {"max_tokens", 200}};
  for (size_t i = 0; i < messages; ++i)
    body["messages"].push_back(
        {{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", words.next()}});
  return body;
}

void measure_chat(const char* quick, const char* tree, size_t messages, size_t rounds) {
  constexpr size_t max_text = 32 << 10;
  auto body = chat_body(messages).dump();
  measure(quick, rounds,
          [&] { return quick_chat_fields(body, max_text)->messages.empty() ? 0 : body.size(); });
  measure(tree, rounds, [&] {
    failure why;
    return read_chat_fields(body, max_text, why).messages.empty() ? 0 : body.size();
  });
}

void measure_array() {
  sotto::bench::talk words{1};
  std::vector<std::string> texts;
  for (size_t i = 0; i < array_size; ++i)
    texts.push_back(words.next());
  auto body = nlohmann::json{{"input", texts}}.dump();
  measure("json_texts_quick", 2'000,
          [&] { return quick_emotion_texts(body)->empty() ? 0 : body.size(); });
  measure("json_texts_tree", 200, [&] {
    failure why;
    return read_emotion_texts(body, why).empty() ? 0 : body.size();
  });
}

void measure_output() {
  std::vector<emotion_reading> readings(array_size);
  for (size_t i = 0; i < readings.size(); ++i) {
    auto& x = readings[i];
    x.compound = static_cast<double>(i) / 1'000;
    x.pos = 0.3;
    x.neu = 0.7;
    x.intensity = x.valence = static_cast<float>(i) / 1'000;
    x.mixed.assign(i % 3, {"gratitude", 0.6F});
  }
  measure("json_readings", 1'000, [&] { return emotion_list({emotion_items(readings)}).size(); });
  turn_reply reply;
  reply.text = "I remember that you like tea in the evening. Shall we have some?";
  reply.memories.resize(5);
  for (auto& x : reply.memories)
    x.what.text = "You said that you like tea in the evening.";
  measure("json_reply", 100'000, [&] { return chat_completion(reply, "t", 12).size(); });
}

} // namespace

int main() {
  measure_chat("json_chat_quick", "json_chat_tree", 1, 100'000);
  measure_chat("json_history_quick", "json_history_tree", 40, 10'000);
  measure_array();
  measure_output();
}
