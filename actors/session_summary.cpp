// The end of a conversation as its session holds it, and what was before it, told in short.
#include <algorithm>
#include <iterator>

#include "actors/session.hpp"
#include "actors/summary.hpp"
#include "runtime/logging.hpp"

namespace sotto {

namespace {

/// Tickets of summaries; those of turns count from 1.
constexpr uint64_t summary_ticket = uint64_t{1} << 63;

} // namespace

const summary_record& session_state::before() const {
  static const summary_record nothing;
  return before_ ? *before_ : nothing;
}

void session_state::set_before(summary_record x) {
  before_ =
      x.upto == 0 && x.text.empty() ? nullptr : std::make_unique<summary_record>(std::move(x));
}

void session_state::take_end(conversation_end end) {
  recent_loaded_ = true;
  as_of_ = end.as_of;
  recent_.clear();
  set_before(std::move(end.before));
  for (auto& x : end.lines)
    recent_.push_back({std::move(x.speaker), std::move(x.text), x.own, x.seq});
  trim();
}

void session_state::remember_lines(const memory_receipt& receipt) {
  auto& request = turn_->request;
  if (!recent_loaded_ || brings_context(request))
    return;
  auto place = [&](size_t i) { return i < receipt.seqs.size() ? receipt.seqs[i] : 0; };
  recent_.push_back({request.speaker, request.text, false, place(0)});
  recent_.push_back({persona().name, turn_->reply.text, true, place(1)});
  trim();
}

/// Lets go of lines before the window that are in the summary, and of too many that are not.
void session_state::trim() {
  auto window = size_t{parts_->options.context_lines};
  auto most = window + 2 * size_t{parts_->options.summary_lines};
  auto gone = recent_.size() - std::min(recent_.size(), most);
  while (recent_.size() - gone > window && recent_[gone].seq <= before().upto)
    ++gone;
  recent_.erase(recent_.begin(), recent_.begin() + static_cast<std::ptrdiff_t>(gone));
}

void session_state::summarise() {
  auto& options = parts_->options;
  if (summary_ || options.summary_lines == 0 || ephemeral_ || draining_)
    return;
  auto window = recent_.begin()
                + static_cast<std::ptrdiff_t>(
                    recent_.size() - std::min<size_t>(recent_.size(), options.context_lines));
  auto untold = [&](const spoken_line& x) { return x.seq > before().upto; };
  // Counted first: after most turns there are too few, and lines are costly to copy.
  if (std::count_if(recent_.begin(), window, untold) < int64_t{options.summary_lines})
    return;
  auto work = std::make_unique<summary_work>();
  std::copy_if(recent_.begin(), window, std::back_inserter(work->lines), untold);
  work->upto = work->lines.back().seq;
  work->as_of = as_of_;
  work->due = self_->nanos() + options.summary_timeout.count();
  work->ticket = summary_ticket | turn_number_;
  summary_ = std::move(work);
  auto& who = *persona_;
  if (who.llm.empty())
    return summarised({});
  generation ask;
  ask.tenant = key().owner.tenant;
  ask.deployments = who.llm;
  ask.model = who.model;
  ask.messages = summary_prompt(before().text, summary_->lines, options.summary_bytes);
  ask.parameters = R"({"temperature":0})";
  auto ctx = self_->services().new_flow(self_->nanos(), options.summary_timeout.count(),
                                        priority::background);
  ctx.tenant = tenant_number(key().owner.tenant);
  self_->send(parts_->llm, ctx, atom::generate_v, llm_client_actor{self_}, summary_->ticket,
              std::move(ask));
  self_->delayed_send<caf::message_priority::high>(self_, options.summary_timeout, context{},
                                                   atom::tick_v);
}

void session_state::summarised(std::string text) {
  auto most = parts_->options.summary_bytes;
  if (text.empty() || text.size() > 2 * most)
    text = extract_summary(before().text, summary_->lines, most);
  summary_->storing = true;
  keep_summary({key().conversation, std::move(text), summary_->upto});
}

void session_state::keep_summary(summary_record record) {
  auto ctx = self_->services().new_flow(self_->nanos(), 0, priority::background);
  ctx.tenant = tenant_number(key().owner.tenant);
  self_
      ->request(shard_, caf::infinite, ctx, atom::summarise_v, key().owner, record, summary_->as_of)
      .then(
          [this, record](bool kept) {
            if (kept && recent_loaded_) {
              set_before(record);
              trim();
            }
            // Of a removal `forget` tells too, but that may come later. Until the lines are read
            // again, every summary would be refused.
            if (!kept && summary_->as_of == as_of_)
              recent_loaded_ = false;
            summary_.reset();
            settle();
          },
          [this](const caf::error& err) {
            warn_seldom("session summary",
                        "session could not keep a summary: " + to_failure(err).message);
            summary_.reset();
            settle();
          });
}

} // namespace sotto
