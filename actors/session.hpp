#pragma once

#include <deque>
#include <memory>
#include <unordered_map>

#include "actors/prompt.hpp"
#include "actors/session_events.hpp"
#include "runtime/base_actor.hpp"

namespace sotto {

/// What all sessions of a node share.
struct session_parts {
  session_options options;
  std::unordered_map<std::string, persona_options> personas;
  emotion_actor emotion;
  analyser_actor topics;
  /// Others, by name; at most 63.
  std::vector<std::pair<std::string, analyser_actor>> analysers;
  embedding_actor embedding;
  llm_actor llm;
};

/// A turn that arrived.
struct waiting_turn {
  context ctx;
  turn_client_actor client;
  uint64_t ticket = 0;
  turn_request request;
};

/// Who hears of a turn, under which ticket.
struct turn_asker {
  turn_client_actor client;
  uint64_t ticket = 0;
};

/// A turn that waits in its session or runs.
struct queued_turn {
  context ctx;
  /// The first and its retries, less those who gave up. A turn whose last asker gives up ends,
  /// unless it is being stored: then it runs out, and a retry may still join.
  std::vector<turn_asker> askers;
  turn_request request;
};

/// The helpers of a turn; `embedding` stands before `recall` and has no deadline of its own.
enum class helper : uint8_t { emotion, topics, recall, context };
inline constexpr size_t helpers = 4;

/// The turn under way.
struct running_turn : queued_turn {
  int64_t started = 0;
  /// Micros since 1970 when it began: the time of the user's line.
  int64_t arrived = 0;
  /// When a helper that was asked has taken too long (nanoseconds); 0: it was not asked, or it is
  /// done.
  std::array<int64_t, helpers> due{};
  /// The same for the store.
  int64_t store_due = 0;
  std::vector<float> vector;
  turn_reply reply;
  bool generating = false;
  /// Analysers that have not answered, a bit each: 0 is TOPICS, the others follow in order.
  uint64_t analysing = 0;
};

/// SESSION's state: one conversation of one owner. Turns wait by priority, first come first
/// served; one runs at a time:
///
///   say ─► helpers (emotion, topics, embedding ─► recall, recent lines; all at once)
///       ─► generation ─► both lines stored in one write ─► completed
///
/// One timer watches whatever is under way: a time-out for each question would cost more than the
/// question.
///
/// Both lines become durable together, after the generation, so that no crash leaves half a turn.
class session_state {
public:
  static inline const char* name = "session";

  using self_pointer = actor_of<listened_session_actor, session_state>*;

  void init(self_pointer self, std::shared_ptr<const session_parts> parts, shard_actor shard,
            bool ephemeral);

  void say(waiting_turn turn);
  void cancel(const turn_client_actor& client, uint64_t ticket);
  void token(uint64_t ticket, const std::string& text);
  void completed(uint64_t ticket, completion result);
  void failed(uint64_t ticket, const failure& why);
  bool passivate();
  void drain();
  void forget();
  void tick();

  // Listeners and what the companion says of its own accord, session_speaking.cpp
  void listen(const context& ctx, const event_client_actor& client, const owner_key& owner,
              const std::string& conversation, const subscription& x);
  void silent();

  /// Tells the clients of all turns that there will be no reply.
  void give_up(const failure& why);

private:
  /// Whether the turn is known by its key: then it is attached, or answered from what was kept.
  bool retried(waiting_turn& turn);
  bool contradicts(const waiting_turn& turn, const std::string& text);
  void start_next();
  void start_helpers();
  void ask_emotion();
  void ask_analysers();
  void ask_analyser(size_t i, const analyser_actor& whom);
  void analysed(uint64_t turn, size_t i, std::vector<std::string> labels, bool failed);
  const std::string& analyser_name(size_t i) const;
  void ask_recall();
  void recall(std::vector<float> vector);
  void ask_recent();
  void expect(helper x, caf::timespan timeout);
  void helper_done(uint64_t turn, helper x, bool failed = false);
  bool gathering() const;
  void give_up_late(int64_t now);
  void generate();
  void store();
  void finish();
  void fail(const failure& why);
  /// Tells all who ask for a turn, however late it is: an answer is always worth hearing.
  template <class Verb, class T>
  void tell(const queued_turn& turn, Verb verb, T what);
  void end_turn();
  void cancel_generation();
  void take_recent(std::vector<memory> lines);
  void trim_recent();
  void stored(uint64_t turn, const failure& why);
  int64_t next_due() const;
  void arm();
  bool remembers() const { return !turn_->request.owner.owner.empty(); }
  const persona_options& persona() const;
  bool is_current(uint64_t turn) const { return turn_ && turn == turn_number_; }

  bool listened();
  void tell_event(const context& cause, session_event x);
  void tell_typing(const context& cause, bool on);
  void tell_mood();
  void silence_ended(const std::string& persona);
  std::optional<int64_t> speech_due();
  void await_silence();
  void speak();
  bool spoken_early(const std::vector<memory>& stored);
  void compose();
  void composed(std::string text);
  void said(const std::string& text, const memory_receipt& receipt);
  void stop_speaking();

  self_pointer self_ = nullptr;
  std::shared_ptr<const session_parts> parts_;
  shard_actor shard_;
  bool ephemeral_ = false;
  bool draining_ = false;
  bool armed_ = false;
  bool recent_loaded_ = false;
  std::unique_ptr<level_queue<queued_turn>> waiting_;
  std::unique_ptr<running_turn> turn_;
  /// Which turn an answer belongs to; also the ticket of its generation.
  uint64_t turn_number_ = 0;
  std::vector<spoken_line> recent_;
  /// The latest replies to turns with a key.
  struct kept_reply {
    std::string key;
    /// What was said: the same key with another text is a mistake, not a retry.
    std::string text;
    turn_reply reply;
  };
  std::deque<kept_reply> replies_;
  /// Once somebody listens.
  std::unique_ptr<session_events> events_;
  /// Something that the companion is about to say of its own accord.
  struct speech {
    context ctx;
    /// Of the generation; no turn has it.
    uint64_t ticket = 0;
    std::string persona;
    bool generating = false;
    bool storing = false;
  };
  std::unique_ptr<speech> speaking_;
};

/// Starts a conversation; `ephemeral` ones (of nobody, not remembered) end after their first turn.
listened_session_actor::behavior_type session(actor_of<listened_session_actor, session_state>* self,
                                              std::shared_ptr<const session_parts> parts,
                                              shard_actor shard, bool ephemeral);

} // namespace sotto
