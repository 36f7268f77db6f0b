#pragma once

#include <memory>
#include <unordered_map>

#include "actors/prompt.hpp"
#include "actors/session_events.hpp"
#include "actors/session_place.hpp"
#include "config/admission_options.hpp"
#include "runtime/base_actor.hpp"
#include "runtime/memory_account.hpp"
#include "runtime/node_load.hpp"

namespace sotto {

/// What all sessions of a node share.
struct session_parts {
  session_options options;
  admission_options admission;
  std::shared_ptr<const node_load> load = std::make_shared<node_load>();
  /// Of the node.
  std::shared_ptr<memory_account> memory = std::make_shared<memory_account>();
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
  bool stream = false;
  /// The byte of the reply from which on a stream that was cut is taken up again; negative: none
  /// is, or it was told already whether it can be.
  int64_t resume_from = -1;
};

/// A turn that waits in its session or runs.
struct queued_turn {
  context ctx;
  /// The first and its retries, less those who gave up or were lost. A turn whose last asker gives
  /// up ends, unless it is being stored: then it runs out, and a retry may still join. So does one
  /// with a key whose last asker was lost.
  std::vector<turn_asker> askers;
  turn_request request;
  bool given_up = false;
};

/// The helpers of a turn; `embedding` stands before `recall` and has no deadline of its own.
enum class helper : uint8_t { emotion, topics, recall, context, journal };
inline constexpr size_t helpers = 5;

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
  /// `text` is what was streamed so far, while the model generates.
  turn_reply reply;
  /// What an overloaded node leaves out of this turn.
  overload_step step = overload_step::normal;
  bool generating = false;
  /// What the journal knows of the turn is not known yet.
  bool journalling = false;
  /// Analysers that have not answered, a bit each: 0 is TOPICS, the others follow in order.
  uint64_t analysing = 0;
};

/// SESSION's state: one conversation of one owner. Turns run one after another in order of
/// arrival (which of two conversations goes first is ADMISSION's to say):
///
///   say ─► helpers (emotion, topics, embedding ─► recall, recent lines, journal; all at once)
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

  ~session_state();

  void init(self_pointer self, std::shared_ptr<const session_parts> parts, shard_actor shard,
            bool ephemeral, std::shared_ptr<session_place> place);

  void say(waiting_turn turn);
  void cancel(const turn_client_actor& client, uint64_t ticket, bool lost);
  void token(uint64_t ticket, const std::string& text);
  void completed(uint64_t ticket, completion result);
  void failed(uint64_t ticket, failure why);
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
  // Turns that come again or are taken up again, session_retries.cpp
  /// Whether a turn that waits or runs has its key: then it is attached to it.
  bool retried(waiting_turn& turn);
  void attach(queued_turn& to, waiting_turn& turn);
  void announce(turn_asker& asker, bool recovered);
  void announce_all(bool recovered);
  void catch_up(const turn_asker& asker, uint64_t from);
  void ask_journal();
  void journalled(turn_found found);
  void replay(turn_reply reply);

  // The conversation in short, session_summary.cpp
  void remember_lines(const memory_receipt& receipt);
  void take_end(conversation_end end);
  void summarise();
  void summarised(std::string text);
  void keep_summary(summary_record record);
  void trim();

  void start_next();
  void start(queued_turn next);
  /// Tells PARTITION what the session holds now, and whether it could end.
  void settle();
  size_t bytes() const;
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
  context context_of(helper x);
  void helper_done(uint64_t turn, helper x, bool failed = false);
  bool gathering() const;
  bool spares(overload_step what);
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
  void stored(uint64_t turn, const failure& why, const memory_receipt& receipt);
  int64_t next_due() const;
  void arm();
  const session_key& key() const { return place_->key; }
  const summary_record& before() const;
  void set_before(summary_record x);
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
  std::shared_ptr<session_place> place_;
  bool ephemeral_ = false;
  bool draining_ = false;
  bool armed_ = false;
  bool recent_loaded_ = false;
  /// How often something was removed: what SHARD read before that may come after it.
  uint32_t forgets_ = 0;
  std::unique_ptr<level_queue<queued_turn>> waiting_;
  std::unique_ptr<running_turn> turn_;
  /// Which turn an answer belongs to; also the ticket of its generation.
  uint64_t turn_number_ = 0;
  /// The end of the conversation, oldest first.
  std::vector<spoken_line> recent_;
  /// When SHARD read its oldest part (`conversation_end::as_of`).
  uint64_t as_of_ = 0;
  /// What the turn before recalled; kept only while the node is short of time.
  std::vector<recalled> last_memories_;
  /// What was said before them, in short; nothing in most conversations.
  std::unique_ptr<summary_record> before_;
  /// A summary that is being made.
  struct summary_work {
    uint64_t ticket = 0;
    uint64_t upto = 0;
    uint64_t as_of = 0;
    int64_t due = 0;
    /// What it is made of; what a model says goes before what is picked from here.
    std::vector<spoken_line> lines;
    bool storing = false;
  };
  std::unique_ptr<summary_work> summary_;
  /// Who answered the turn before.
  const persona_options* persona_ = nullptr;
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

template <class Verb, class T>
void session_state::tell(const queued_turn& turn, Verb verb, T what) {
  if (turn.askers.empty())
    return;
  auto ctx = [&] {
    auto result = self_->child(turn.ctx);
    result.deadline = 0;
    return result;
  };
  for (size_t i = 0; i + 1 < turn.askers.size(); ++i)
    self_->send(turn.askers[i].client, ctx(), verb, turn.askers[i].ticket, what);
  // There is one asker nearly always, and replies are large.
  auto& last = turn.askers.back();
  self_->send(last.client, ctx(), verb, last.ticket, std::move(what));
}

/// Starts a conversation; `ephemeral` ones (of nobody, not remembered) end after their first turn.
/// `place` is never nothing.
listened_session_actor::behavior_type session(actor_of<listened_session_actor, session_state>* self,
                                              std::shared_ptr<const session_parts> parts,
                                              shard_actor shard, bool ephemeral,
                                              std::shared_ptr<session_place> place);

} // namespace sotto
