// What SHARD does to forget what a user said in groups, whose memories are the groups'.
#include <algorithm>

#include "actors/shard.hpp"

namespace sotto {

/// One such removal: its answer comes when all groups are done.
struct shard_state::spoken_work {
  context ctx;
  spoken_by what;
  caf::typed_response_promise<spoken_receipt> promise;
  spoken_receipt receipt;
  /// Writes that are waited for, then groups.
  size_t left = 0;
  failure why;
};

caf::result<spoken_receipt> shard_state::forget_spoken(const context& ctx, spoken_by what) {
  auto x = std::make_shared<spoken_work>();
  x->ctx = ctx;
  x->what = std::move(what);
  x->promise = self_->make_response_promise<spoken_receipt>();
  auto promise = x->promise;
  // The store is asked who said what: lines that are on their way to it must be there first. Those
  // that come later were said after.
  x->left = pending_.size();
  for (auto& [ticket, write] : pending_)
    write.done.push_back([this, x](loaded_owner&, const failure&) {
      if (--x->left == 0)
        find_spoken(x);
    });
  if (x->left == 0) // only then what a SHARD before this one sent may be under way
    when_settled(ctx, [this, x](const failure& why) {
      if (why)
        x->promise.deliver(to_error(why));
      else
        find_spoken(x);
    });
  return promise;
}

void shard_state::find_spoken(std::shared_ptr<spoken_work> x) {
  if (auto why = pointless(x->ctx, x->promise)) {
    x->promise.deliver(to_error(why));
    return;
  }
  self_->request(reader_, options_.load_timeout, self_->child(x->ctx), atom::list_v, x->what)
      .then(
          [this, x](std::vector<spoken_lines>& found) {
            x->left = found.size() + 1; // one for this loop: it is not over before its last round
            for (auto& lines : found)
              remove_spoken(x, std::move(lines));
            end_spoken(*x, {});
          },
          [x](caf::error& why) { x->promise.deliver(std::move(why)); });
}

void shard_state::remove_spoken(const std::shared_ptr<spoken_work>& x, spoken_lines lines) {
  auto group = lines.group;
  with_owner(x->ctx, group,
             [this, x, lines = std::move(lines)](loaded_owner* owner, const failure& why) {
               if (!owner)
                 return end_spoken(*x, why);
               if (auto reason = pointless(x->ctx, x->promise))
                 return end_spoken(*x, reason);
               store_write out;
               out.what = store_write::kind::remove;
               out.owner = lines.group;
               out.seqs = lines.seqs;
               auto told = std::make_shared<bool>(false);
               auto end = [x, told](const failure& y) {
                 if (!std::exchange(*told, true))
                   end_spoken(*x, y);
               };
               auto done = [x, lines, end](loaded_owner& from, const failure& y) {
                 if (y)
                   return end(y);
                 drop_summaries(from, *std::min_element(lines.seqs.begin(), lines.seqs.end()));
                 for (auto seq : lines.seqs)
                   if (auto* line = from.index.at(seq))
                     x->receipt.memories += from.index.remove(std::string{line->id}) ? 1 : 0;
                 x->receipt.groups.push_back(lines.group);
                 end({});
               };
               send(x->ctx, *owner, std::move(out), std::move(done), end);
             });
}

void shard_state::end_spoken(spoken_work& x, const failure& why) {
  if (why && !x.why)
    x.why = why;
  if (--x.left > 0)
    return;
  if (x.why)
    x.promise.deliver(to_error(x.why));
  else
    x.promise.deliver(std::move(x.receipt));
}

} // namespace sotto
