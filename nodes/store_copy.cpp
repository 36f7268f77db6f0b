#include "nodes/store_copy.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "nodes/open_store.hpp"

namespace sotto {

namespace {

/// Owners of one listing, and memories of one write.
constexpr size_t page = 256, portion = 500;

struct opened {
  std::unique_ptr<store> whole;
  std::unique_ptr<store_view> view;
};

caf::expected<opened> open(store_options options, const std::string& space) {
  options.space = space;
  auto whole = open_store(options);
  if (!whole)
    return whole.error();
  auto view = (*whole)->view();
  if (!view)
    return view.error();
  return opened{std::move(*whole), std::move(*view)};
}

/// Calls `visit` with everything of each owner, until it fails.
template <class F>
failure each_owner(store_view& from, F visit) {
  owner_key after;
  while (true) {
    auto owners = from.owners(after, page);
    if (!owners)
      return to_failure(owners.error());
    for (auto& x : *owners) {
      auto all = from.load(x.owner);
      if (!all)
        return to_failure(all.error());
      if (auto why = visit(std::move(*all)))
        return why;
    }
    if (owners->size() < page)
      return {};
    after = owners->back().owner;
  }
}

failure write_one(store& to, const store_write& x) {
  return to.apply({&x, 1}).front();
}

uint64_t count_vectors(const memory_write& x) {
  return static_cast<uint64_t>(
      std::count_if(x.vectors.begin(), x.vectors.end(), [](auto& v) { return !v.empty(); }));
}

void count(const memory_write& x, copy_counts& to) {
  ++to.owners;
  to.memories += x.memories.size();
  to.turns += x.turns.size();
  to.summaries += x.summaries.size();
}

/// Adds an owner, with the vectors of one embedder.
failure insert(store& to, memory_write x) {
  store_write rest;
  rest.owner = x.owner;
  rest.turns = std::move(x.turns);
  rest.summaries = std::move(x.summaries);
  for (size_t at = 0; at < x.memories.size(); at += portion) {
    auto end = std::min(at + portion, x.memories.size());
    store_write some;
    some.owner = x.owner;
    for (auto i = at; i < end; ++i) {
      some.memories.push_back(std::move(x.memories[i]));
      some.vectors.push_back(std::move(x.vectors[i]));
      if (!x.authors.empty())
        some.authors.push_back(std::move(x.authors[i]));
    }
    if (auto why = write_one(to, some))
      return why;
  }
  return rest.turns.empty() && rest.summaries.empty() ? failure{} : write_one(to, rest);
}

/// Gives an owner's memories the vectors of another embedder.
failure embed(store& to, memory_write x) {
  store_write some;
  some.what = store_write::kind::embed;
  some.owner = x.owner;
  for (size_t i = 0; i < x.memories.size(); ++i) {
    if (x.vectors[i].empty())
      continue;
    some.memories.push_back(std::move(x.memories[i]));
    some.vectors.push_back(std::move(x.vectors[i]));
  }
  return some.memories.empty() ? failure{} : write_one(to, some);
}

auto fields(const memory& x) {
  return std::tie(x.id, x.text, x.speaker, x.conversation, x.metadata, x.created, x.seq, x.own);
}
auto fields(const turn_record& x) {
  return std::tie(x.conversation, x.key, x.text_hash, x.reply, x.created, x.details);
}
auto fields(const summary_record& x) {
  return std::tie(x.conversation, x.text, x.upto);
}

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](auto& x, auto& y) { return fields(x) == fields(y); });
}

/// Engines may give turns and summaries in different orders.
void put_in_order(memory_write& x) {
  auto less = [](auto& a, auto& b) { return fields(a) < fields(b); };
  std::sort(x.turns.begin(), x.turns.end(), less);
  std::sort(x.summaries.begin(), x.summaries.end(), less);
}

bool same(memory_write a, memory_write b) {
  put_in_order(a);
  put_in_order(b);
  return same(a.memories, b.memories) && a.vectors == b.vectors && a.authors == b.authors
         && same(a.turns, b.turns) && same(a.summaries, b.summaries);
}

failure check_empty(store_view& to) {
  auto owners = to.owners({}, 1);
  if (!owners)
    return to_failure(owners.error());
  if (owners->empty())
    return {};
  return {ec::invalid,
          "the target holds memories already; give an empty one (if it is what an interrupted copy "
          "left, remove it first)",
          "to"};
}

/// One embedder's vectors, and at the `first` everything else.
failure copy_space(const store_options& from, const store_options& to, const std::string& space,
                   bool first, copy_counts& counts, const auto& progress) {
  auto source = open(from, space), target = open(to, space);
  if (!source || !target)
    return to_failure(source ? target.error() : source.error());
  if (first)
    if (auto why = check_empty(*target->view))
      return why;
  return each_owner(*source->view, [&](memory_write x) {
    counts.vectors += count_vectors(x);
    if (first)
      count(x, counts);
    auto why = first ? insert(*target->whole, std::move(x)) : embed(*target->whole, std::move(x));
    progress("copied", counts);
    return why;
  });
}

failure compare_space(const store_options& from, const store_options& to, const std::string& space,
                      bool first, copy_counts& counts, const auto& progress) {
  auto source = open(from, space), target = open(to, space);
  if (!source || !target)
    return to_failure(source ? target.error() : source.error());
  return each_owner(*source->view, [&](memory_write x) -> failure {
    counts.vectors += count_vectors(x);
    if (first)
      count(x, counts);
    auto there = target->view->load(x.owner);
    if (!there)
      return to_failure(there.error());
    progress("compared", counts);
    if (same(std::move(x), std::move(*there)))
      return {};
    return {ec::storage_failed,
            "a user's memories differ in the target; was one of the stores in use?",
            {}};
  });
}

} // namespace

caf::expected<copy_counts>
copy_store(const store_options& from, const store_options& to,
           const std::function<void(std::string_view, const copy_counts&)>& progress) {
  std::vector<std::string> spaces;
  {
    auto source = open(from, "");
    if (!source)
      return source.error();
    auto found = source->view->spaces();
    if (!found)
      return found.error();
    spaces = std::move(*found);
  }
  if (spaces.empty())
    spaces.emplace_back();
  copy_counts copied, compared;
  for (auto& space : spaces)
    if (auto why = copy_space(from, to, space, &space == &spaces.front(), copied, progress))
      return to_error(why);
  for (auto& space : spaces)
    if (auto why = compare_space(from, to, space, &space == &spaces.front(), compared, progress))
      return to_error(why);
  if (std::tie(copied.owners, copied.memories, copied.vectors, copied.turns, copied.summaries)
      != std::tie(compared.owners, compared.memories, compared.vectors, compared.turns,
                  compared.summaries))
    return to_error({ec::storage_failed, "the source changed while it was copied", {}});
  return copied;
}

} // namespace sotto
