// A frontend in C++: talks to a node of Sotto, streams its replies, remembers and recalls, and goes
// on with another node when the one it is linked to is lost.
//
//   native_frontend --certs FOLDER --name FRONTEND [--key KEY] [--user USER] HOST:PORT...
//
// Every line of standard input is a turn; these are more than that:
//   /remember TEXT   keeps TEXT among the user's memories
//   /recall TEXT     prints the memories that answer TEXT best
//   /forget          removes everything of the user
#include <cstdlib>
#include <iostream>
#include <string>

#include <sotto/client/client.hpp>

namespace {

struct arguments {
  std::string certs, name, key, user = "ada";
  std::vector<std::string> nodes;
};

bool read(int count, char** values, arguments& to) {
  for (int i = 1; i < count; ++i) {
    std::string word = values[i];
    auto* option = word == "--certs"  ? &to.certs
                   : word == "--name" ? &to.name
                   : word == "--key"  ? &to.key
                   : word == "--user" ? &to.user
                                      : nullptr;
    if (!option)
      to.nodes.push_back(word);
    else if (++i < count)
      *option = values[i];
  }
  return !to.certs.empty() && !to.name.empty() && !to.nodes.empty();
}

void complain(const sotto::failure& why) {
  std::cerr << "failed (" << sotto::to_string(why.code) << "): " << why.message << std::endl;
}

void say(sotto::client& with, const std::string& user, const std::string& text) {
  sotto::turn_request turn;
  turn.owner = sotto::user(user);
  turn.text = text;
  auto reply =
      with.say(turn, [](const sotto::stream_piece& x) { std::cout << x.text << std::flush; });
  if (!reply)
    return complain(reply.why);
  std::cout << "\n  (" << reply->emotion.primary << "; " << reply->memories.size()
            << " memories came to mind; through " << with.linked_to() << ")" << std::endl;
}

void remember(sotto::client& with, const std::string& user, const std::string& text) {
  sotto::memory_write write;
  write.owner = sotto::user(user);
  write.memories.emplace_back().text = text;
  auto receipt = with.remember(write);
  if (!receipt)
    return complain(receipt.why);
  std::cout << "remembered as " << receipt->ids.at(0) << std::endl;
}

void recall(sotto::client& with, const std::string& user, const std::string& text) {
  sotto::memory_query query;
  query.owner = sotto::user(user);
  query.text = text;
  query.k = 3;
  auto found = with.recall(query);
  if (!found)
    return complain(found.why);
  if (found->empty())
    std::cout << "nothing comes to mind" << std::endl;
  for (auto& x : *found)
    std::cout << "recalled: " << x.what.text << std::endl;
}

void forget(sotto::client& with, const std::string& user) {
  auto receipt = with.forget(sotto::user(user));
  if (!receipt)
    return complain(receipt.why);
  std::cout << "forgot " << receipt->memories << " memories" << std::endl;
}

} // namespace

int main(int count, char** values) {
  arguments given;
  if (!read(count, values, given)) {
    std::cerr << "usage: native_frontend --certs FOLDER --name FRONTEND [--key KEY] [--user USER] "
                 "HOST:PORT...\n";
    return 2;
  }
  sotto::client_options options;
  options.nodes = given.nodes;
  options.certificate = given.certs + "/" + given.name + ".pem";
  options.key = given.certs + "/" + given.name + ".key";
  options.ca = given.certs + "/ca.pem";
  options.api_key = given.key;
  auto opened = sotto::client::open(options);
  if (!opened) {
    complain(opened.why);
    return 1;
  }
  auto& with = **opened;
  const std::string to_remember = "/remember ", to_recall = "/recall ";
  for (std::string line; std::getline(std::cin, line);) {
    if (line.rfind(to_remember, 0) == 0)
      remember(with, given.user, line.substr(to_remember.size()));
    else if (line.rfind(to_recall, 0) == 0)
      recall(with, given.user, line.substr(to_recall.size()));
    else if (line == "/forget")
      forget(with, given.user);
    else if (!line.empty())
      say(with, given.user, line);
  }
}
