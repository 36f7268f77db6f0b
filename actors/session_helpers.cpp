// What a turn gathers before it is answered: emotion, topics, recall and context, all at the same
// time and each with a deadline of its own.
#include <algorithm>
#include <array>

#include "actors/session.hpp"

namespace sotto {

void session_state::expect(helper x, caf::timespan timeout) {
  turn_->due[static_cast<size_t>(x)] = turn_->started + timeout.count();
}

/// For a question to a helper: whoever answers later than the turn waits for it need not.
context session_state::context_of(helper x) {
  auto ctx = self_->child(turn_->ctx);
  if (auto due = turn_->due[static_cast<size_t>(x)]; due != 0)
    ctx.deadline = std::min(ctx.deadline, due);
  return ctx;
}

bool session_state::gathering() const {
  return std::any_of(turn_->due.begin(), turn_->due.end(), [](auto x) { return x != 0; });
}

void session_state::start_helpers() {
  // All are expected before the first is asked, or an answer could find nothing left to wait for.
  auto context_needed = remembers() && !recent_loaded_ && !brings_context(turn_->request);
  auto recalls = remembers() && !spares(overload_step::cached_context);
  auto analyses = !spares(overload_step::no_analysers);
  auto& options = parts_->options;
  expect(helper::emotion, options.emotion_timeout);
  if (analyses)
    expect(helper::topics, options.topics_timeout);
  if (recalls)
    expect(helper::recall, options.recall_timeout);
  else if (remembers())
    turn_->reply.memories = last_memories_;
  if (context_needed)
    expect(helper::context, options.recall_timeout);
  auto journal = remembers() && !turn_->request.idempotency_key.empty();
  if (journal)
    expect(helper::journal, options.store_timeout);
  else
    announce_all(false);
  arm();
  ask_emotion();
  if (analyses)
    ask_analysers();
  if (recalls)
    ask_recall();
  if (context_needed)
    ask_recent();
  if (journal)
    ask_journal();
}

/// Whether an overloaded node leaves `what` out of this turn; the reply and the trace then say so.
bool session_state::spares(overload_step what) {
  if (turn_->step < what)
    return false;
  turn_->reply.degraded.emplace_back(degraded_name(what));
  self_->services().flows.note(turn_->ctx, self_->id(), name, degraded_name(what), self_->nanos());
  return true;
}

void session_state::ask_emotion() {
  self_
      ->request(parts_->emotion, caf::infinite, context_of(helper::emotion), atom::analyse_v,
                turn_->request.text)
      .then(
          [this, n = turn_number_](emotion_reading& x) {
            if (is_current(n) && !turn_->generating)
              turn_->reply.emotion = std::move(x);
            helper_done(n, helper::emotion);
          },
          [this, n = turn_number_](const caf::error&) { helper_done(n, helper::emotion, true); });
}

const std::string& session_state::analyser_name(size_t i) const {
  static const std::string topics = "topics";
  return i == 0 ? topics : parts_->analysers[i - 1].first;
}

void session_state::ask_analysers() {
  turn_->analysing = (uint64_t{2} << parts_->analysers.size()) - 1;
  ask_analyser(0, parts_->topics);
  for (size_t i = 0; i < parts_->analysers.size(); ++i)
    ask_analyser(i + 1, parts_->analysers[i].second);
}

void session_state::ask_analyser(size_t i, const analyser_actor& whom) {
  self_
      ->request(whom, caf::infinite, context_of(helper::topics), atom::analyse_v,
                turn_->request.text)
      .then([this, i, n = turn_number_](
                std::vector<std::string>& x) { analysed(n, i, std::move(x), false); },
            [this, i, n = turn_number_](const caf::error&) { analysed(n, i, {}, true); });
}

void session_state::analysed(uint64_t turn, size_t i, std::vector<std::string> labels,
                             bool failed) {
  auto bit = uint64_t{1} << i;
  if (!is_current(turn) || (turn_->analysing & bit) == 0)
    return; // given up before
  turn_->analysing &= ~bit;
  if (failed)
    turn_->reply.degraded.push_back(analyser_name(i));
  else if (i == 0)
    turn_->reply.topics = std::move(labels);
  else if (!labels.empty())
    turn_->reply.analyses[analyser_name(i)] = std::move(labels);
  if (turn_->analysing == 0)
    helper_done(turn, helper::topics);
}

void session_state::ask_recall() {
  self_
      ->request(parts_->embedding, caf::infinite, context_of(helper::recall), atom::embed_v,
                turn_->request.text)
      .then(
          [this, n = turn_number_](std::vector<float>& x) {
            if (is_current(n))
              recall(std::move(x));
          },
          [this, n = turn_number_](const caf::error&) {
            if (!is_current(n))
              return;
            turn_->reply.degraded.emplace_back("embedding");
            recall({});
          });
}

void session_state::recall(std::vector<float> vector) {
  turn_->vector = vector;
  if (turn_->due[static_cast<size_t>(helper::recall)] == 0)
    return; // given up meanwhile; the vector is stored with what was said
  auto most = parts_->options.recalled;
  if (parts_->admission.fewer_memories < most && spares(overload_step::fewer_memories))
    most = parts_->admission.fewer_memories;
  memory_query query{turn_->request.owner, turn_->request.text, std::move(vector), most, 0, {}};
  self_
      ->request(shard_, caf::infinite, context_of(helper::recall), atom::recall_v, std::move(query))
      .then(
          [this, n = turn_number_](std::vector<recalled>& x) {
            if (is_current(n) && gathering())
              turn_->reply.memories = std::move(x);
            helper_done(n, helper::recall);
          },
          [this, n = turn_number_](const caf::error&) { helper_done(n, helper::recall, true); });
}

void session_state::ask_recent() {
  self_
      ->request(shard_, caf::infinite, context_of(helper::context), atom::recent_v,
                turn_->request.owner, turn_->request.conversation,
                parts_->options.context_lines + parts_->options.summary_lines)
      .then(
          [this, n = turn_number_, forgets = forgets_](conversation_end& end) {
            if (is_current(n) && gathering() && !recent_loaded_) {
              if (forgets != forgets_)
                return ask_recent();
              take_end(std::move(end));
            }
            helper_done(n, helper::context);
          },
          [this, n = turn_number_](const caf::error&) { helper_done(n, helper::context, true); });
}

void session_state::helper_done(uint64_t turn, helper x, bool failed) {
  static constexpr std::array<const char*, helpers> names{"emotion", "topics", "recall", "context",
                                                          "journal"};
  auto i = static_cast<size_t>(x);
  if (!is_current(turn) || turn_->due[i] == 0)
    return; // given up before
  turn_->due[i] = 0;
  if (x == helper::journal) {
    turn_->journalling = false;
    announce_all(false);
  }
  if (failed && x == helper::topics) {
    for (size_t j = 0; turn_->analysing != 0; ++j, turn_->analysing >>= 1)
      if ((turn_->analysing & 1) != 0)
        turn_->reply.degraded.push_back(analyser_name(j));
  } else if (failed) {
    turn_->reply.degraded.emplace_back(names[i]);
  }
  if (!gathering())
    generate();
}

void session_state::give_up_late(int64_t now) {
  auto n = turn_number_;
  for (size_t i = 0; i < helpers && is_current(n); ++i)
    if (turn_->due[i] != 0 && now >= turn_->due[i])
      helper_done(n, static_cast<helper>(i), true);
}

} // namespace sotto
