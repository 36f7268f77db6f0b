#pragma once

#include <map>

#include "actors/partition.hpp"
#include "messages/moved.hpp"
#include "test/fixture.hpp"

namespace sotto::test {

/// What the partners of a session do, and what they saw.
struct turn_world {
  bool emotion_fails = false, emotion_silent = false, recall_fails = false, store_fails = false,
       store_moved = false;
  bool colour_fails = false, colour_silent = false;
  bool model_fails = false, model_silent = false, summary_fails = false, summary_silent = false,
       store_silent = false;
  /// Writes that a silent store answers at its next tick.
  std::vector<caf::typed_response_promise<memory_receipt>> held;
  std::vector<memory> recent;
  /// Lines are told at the shard's next tick, as they were when they were asked for.
  bool recent_waits = false;
  std::vector<std::pair<caf::typed_response_promise<conversation_end>, conversation_end>> read;
  std::vector<memory> stored;
  /// Of what was stored in groups.
  std::vector<std::string> authors;
  std::vector<generation> prompts;
  int recalls = 0, recents = 0, cancelled = 0, forgotten = 0;
  /// Of the latest question to each helper.
  std::map<std::string, int64_t> deadlines;
  int generating = 0, most_at_once = 0;
  /// What the journal knows, by key; every turn with a key is written down.
  std::map<std::string, turn_found> journal;
  std::map<std::string, uint64_t> hashes;
  bool journal_fails = false, journal_silent = false;
  std::vector<turn_record> records;
  std::vector<summary_record> summaries;
  std::vector<uint64_t> summaries_as_of;
  summary_record before;
  uint64_t as_of = 1;
  bool summary_refused = false;
  std::map<uint64_t, turn_reply> replies;
  std::map<uint64_t, failure> failures;
  std::vector<uint64_t> done;
  std::string tokens;
  /// By ticket: the text of streams, and whether they went on.
  std::map<uint64_t, std::string> streams;
  std::map<uint64_t, bool> resumed;
};

using world_ptr = std::shared_ptr<turn_world>;

inline caf::error broken() {
  return to_error({ec::internal, "broken on purpose", {}});
}

inline emotion_actor::behavior_type fake_emotion(emotion_actor::pointer self, world_ptr w) {
  return {
      [=](const context& ctx, atom::analyse, const std::string&) -> caf::result<emotion_reading> {
        w->deadlines["emotion"] = ctx.deadline;
        if (w->emotion_silent)
          return self->make_response_promise<emotion_reading>();
        if (w->emotion_fails)
          return broken();
        emotion_reading x;
        x.primary = "joy";
        return x;
      },
      [](const context&, atom::analyse, const std::vector<std::string>& xs) {
        return std::vector<emotion_reading>(xs.size());
      },
      [](const context&, atom::write, const std::vector<std::string>&) {
        return std::string{"{}"};
      }};
}

/// Names the colours of a text; fails or is silent where the world says so.
inline analyser_actor::behavior_type fake_colour(analyser_actor::pointer self, world_ptr world) {
  return {[=](const context&, atom::analyse,
              const std::string& text) -> caf::result<std::vector<std::string>> {
    if (world->colour_fails)
      return broken();
    if (world->colour_silent)
      return self->make_response_promise<std::vector<std::string>>();
    if (text.find("red") != std::string::npos)
      return std::vector<std::string>{"red"};
    return std::vector<std::string>{};
  }};
}

inline analyser_actor::behavior_type fake_topics(analyser_actor::pointer) {
  return {[](const context&, atom::analyse, const std::string&) {
    return std::vector<std::string>{"travel"};
  }};
}

inline embedding_actor::behavior_type fake_embedding(embedding_actor::pointer) {
  return {[](const context&, atom::embed, const std::string&) {
            return std::vector<float>{1, 0};
          },
          [](const context&, atom::embed, const std::vector<std::string>& xs) {
            return std::vector<std::vector<float>>(xs.size(), {1, 0});
          }};
}

inline shard_actor::behavior_type fake_shard(shard_actor::pointer self, world_ptr w) {
  return {
      [=](const context& ctx, atom::recall,
          const memory_query&) -> caf::result<std::vector<recalled>> {
        w->deadlines["recall"] = ctx.deadline;
        ++w->recalls;
        if (w->recall_fails)
          return broken();
        recalled x;
        x.what.text = "an old memory";
        return std::vector<recalled>{x};
      },
      [=](const context&, atom::remember, memory_write& x) -> caf::result<memory_receipt> {
        if (w->store_fails)
          return broken();
        if (w->store_moved)
          return to_error(partition_moved());
        memory_receipt receipt;
        w->authors.insert(w->authors.end(), x.authors.begin(), x.authors.end());
        for (auto& m : x.memories) {
          w->stored.push_back(std::move(m));
          receipt.ids.push_back(std::to_string(w->stored.size()));
          receipt.created.push_back(true);
          receipt.seqs.push_back(w->stored.size());
        }
        for (auto& r : x.turns) {
          auto& known = w->journal[r.key];
          known.what = turn_found::kind::done;
          known.reply.text = w->stored.back().text;
          w->records.push_back(std::move(r));
        }
        if (w->store_silent)
          return w->held.emplace_back(self->make_response_promise<memory_receipt>());
        return receipt;
      },
      [](const context&, atom::list, const memory_page_query&) { return memory_page{}; },
      [](const context&, atom::remove, const owner_key&, const std::string&) { return true; },
      [=](const context&, atom::forget, const spoken_by& x) -> caf::result<spoken_receipt> {
        if (w->store_fails)
          return broken();
        return spoken_receipt{{{x.user.tenant, "channel:den"}}, 2};
      },
      [=](const context&, atom::forget, const owner_key& owner) {
        ++w->forgotten;
        return forget_receipt{owner, 2, 0};
      },
      [](const context&, atom::committed, uint64_t, const failure&) {},
      [=](const context& ctx, atom::recent, const owner_key&, const std::string&,
          uint32_t) -> caf::result<conversation_end> {
        w->deadlines["recent"] = ctx.deadline;
        ++w->recents;
        conversation_end end{w->recent, w->before, w->as_of};
        if (!w->recent_waits)
          return end;
        auto promise = self->make_response_promise<conversation_end>();
        w->read.emplace_back(promise, std::move(end));
        return promise;
      },
      [=](const context&, atom::journal, const turn_opening& x) -> caf::result<turn_found> {
        if (w->journal_fails)
          return broken();
        if (w->journal_silent)
          return self->make_response_promise<turn_found>();
        auto [at, isnew] = w->journal.try_emplace(x.key);
        auto found = at->second;
        if (isnew)
          at->second.what = turn_found::kind::interrupted;
        auto hash = w->hashes.try_emplace(x.key, x.text_hash).first->second;
        if (hash != x.text_hash)
          found.what = turn_found::kind::conflict;
        return found;
      },
      [=](const context&, atom::summarise, const owner_key&, summary_record& x, uint64_t as_of) {
        w->summaries.push_back(std::move(x));
        w->summaries_as_of.push_back(as_of);
        return !w->summary_refused;
      },
      [](const context&, atom::loaded, const memory_write&, const failure&) {},
      [=](const context&, atom::tick) {
        for (auto& x : std::exchange(w->held, {}))
          x.deliver(memory_receipt{{"a", "b"}, {true, true}, {1, 2}});
        for (auto& [promise, end] : std::exchange(w->read, {}))
          promise.deliver(std::move(end));
      },
  };
}

inline llm_actor::behavior_type fake_model(llm_actor::pointer self, world_ptr w) {
  return {[=](const context& ctx, atom::generate, const llm_client_actor& client, uint64_t ticket,
              generation& x) {
            w->most_at_once = std::max(w->most_at_once, ++w->generating);
            auto text = "echo: " + x.messages.back().content;
            auto stream = x.stream;
            auto short_told = x.messages.front().content.starts_with("Tell this conversation");
            w->prompts.push_back(std::move(x));
            if (w->model_silent || (short_told && w->summary_silent))
              return;
            --w->generating;
            if (w->model_fails || (short_told && w->summary_fails)) {
              self->send(client, ctx, atom::failed_v, ticket,
                         failure{ec::upstream_failed, "broken on purpose", {}});
              return;
            }
            if (stream)
              for (char c : text)
                self->send(client, ctx, atom::token_v, ticket, std::string(1, c));
            completion done;
            done.text = text;
            self->send(client, ctx, atom::completed_v, ticket, std::move(done));
          },
          [=](const context&, atom::cancel, const llm_client_actor&, uint64_t) {
            ++w->cancelled;
            --w->generating;
          }};
}

inline turn_client_actor::behavior_type fake_client(turn_client_actor::pointer, world_ptr w) {
  return {[=](const context&, atom::token, uint64_t ticket, const stream_piece& x) {
            w->tokens += x.text;
            auto& text = w->streams[ticket];
            text.resize(x.offset, '_'); // a gap shows, and what came twice is overwritten
            text += x.text;
          },
          [=](const context&, atom::resumed, uint64_t ticket, bool recovered) {
            w->resumed[ticket] = recovered;
          },
          [=](const context&, atom::completed, uint64_t ticket, turn_reply& x) {
            w->replies[ticket] = std::move(x);
            w->done.push_back(ticket);
          },
          [=](const context&, atom::failed, uint64_t ticket, failure& why) {
            w->failures[ticket] = std::move(why);
          }};
}

/// Sessions among partners that do as they are told.
class turn_fixture : public frozen_system {
public:
  explicit turn_fixture(uint64_t seed = 1)
      : frozen_system(seed), world(std::make_shared<turn_world>()) {
    auto made = std::make_shared<session_parts>();
    made->options.max_waiting = 3;
    made->personas["companion"] = {};
    made->personas["remote"].name = "remote";
    made->personas["remote"].llm = {"cloud"};
    made->emotion = spawn(fake_emotion, world);
    made->topics = spawn(fake_topics);
    made->analysers.emplace_back("colour", spawn(fake_colour, world));
    made->embedding = spawn(fake_embedding);
    made->llm = spawn(fake_model, world);
    parts = made;
    shard = spawn(fake_shard, world);
    client_ = spawn(fake_client, world);
  }

  session_actor start_session(bool ephemeral = false) {
    session_key key{{"default", ephemeral ? "" : "ada"}, "talk"};
    return spawn(session, parts, shard, ephemeral, std::make_shared<session_place>(std::move(key)));
  }

  static turn_request request(std::string text, std::string persona = "companion",
                              std::string owner = "ada", bool stream = false) {
    turn_request x;
    x.owner = {"default", owner};
    x.conversation = "talk";
    x.speaker = owner;
    x.persona = std::move(persona);
    x.text = std::move(text);
    x.stream = stream;
    return x;
  }

  template <class Handle, class... Ts>
  void say(const Handle& to, uint64_t ticket, std::string text, Ts... xs) {
    caf::anon_send(to, flow(), atom::say_v, client_, ticket,
                   request(std::move(text), std::move(xs)...));
  }

  static memory line(std::string speaker, std::string text, bool own) {
    memory x;
    x.speaker = std::move(speaker);
    x.text = std::move(text);
    x.own = own;
    return x;
  }

  const turn_client_actor& client() const { return client_; }
  const std::map<uint64_t, turn_reply>& replies() const { return world->replies; }
  const std::map<uint64_t, failure>& failures() const { return world->failures; }
  const std::vector<uint64_t>& done() const { return world->done; }
  const std::string& tokens() const { return world->tokens; }

  world_ptr world;
  std::shared_ptr<const session_parts> parts;
  shard_actor shard;

private:
  turn_client_actor client_;
};

} // namespace sotto::test
