#pragma once

#include <map>
#include <unordered_map>

#include "actors/llm_route_metrics.hpp"
#include "config/link_options.hpp"
#include "config/llm_options.hpp"
#include "messages/link.hpp"
#include "runtime/lasting_actor.hpp"
#include "runtime/waiting_client.hpp"

namespace sotto {

/// LLM ROUTE's state: which nodes generate for this one, and what they have to do.
///
/// A generation goes to the node that has the fewest of ours for its capacity. Where that node
/// cannot be reached, or is lost before it told anything, the next is tried; where all were, it is
/// held while there is a live node with the role, for `link_options::hold` in all, and tried again.
/// What was begun is not begun anew: its text was told already.
///
/// It is never started anew, as it is told once which nodes there are.
class llm_route_state {
public:
  static inline const char* name = "llm_route";

  using self_pointer = lasting_actor_of<llm_route_actor, llm_route_state>*;

  void init(self_pointer self, link_options links, llm_options options, llm_actor builtin);
  void generate(const context& ctx, llm_client_actor client, uint64_t ticket, generation ask);
  void cancel(const context& ctx, const llm_client_actor& client, uint64_t ticket);
  void token(uint64_t number, std::string text);
  void completed(uint64_t number, completion result);
  void failed(uint64_t number, const failure& why);
  void members(const std::vector<cluster_member>& all);
  void linked(const std::string& node, llm_actor link);
  void tick();

private:
  struct job : waiting_client<llm_client_actor> {
    using waiting_client::waiting_client;
    generation ask;
    /// Where it runs; empty: it is held.
    std::string node;
    /// Of this round, and why they did not serve.
    std::vector<std::string> tried;
    std::string reasons;
    bool begun = false;
    int64_t due = 0;
  };

  struct node_state {
    double capacity = 1;
    /// It takes no more where there is another.
    bool draining = false;
    bool live = false;
    llm_actor link;
    size_t running = 0;
  };

  /// Who asked, and under which ticket.
  using asker_name = std::pair<caf::actor_id, uint64_t>;

  void place(job x);
  void start(const std::string& node, job x);
  void hold(job x);
  void retry_held();
  /// Nobody: no node can be tried.
  std::string best(const job& x) const;
  bool anybody() const;
  void give_up(job x);
  void answer(job x, const failure& why);
  /// Takes a job out; empty client: there is none.
  job take(uint64_t number);
  void arm();
  void mend();

  self_pointer self_ = nullptr;
  link_options links_;
  llm_options options_;
  llm_actor builtin_;
  std::unique_ptr<llm_route_metrics> metrics_;
  std::map<std::string, node_state> nodes_;
  std::unordered_map<uint64_t, job> jobs_;
  std::map<asker_name, uint64_t> names_;
  size_t held_ = 0;
  /// Every try has its own: what a lost one still tells is nobody's.
  uint64_t last_number_ = 0;
  bool armed_ = false;
};

/// Of `options`, what is meant for who asks: how many may wait, and whether BUILTIN answers when
/// nobody else can.
llm_route_actor::behavior_type llm_route(lasting_actor_of<llm_route_actor, llm_route_state>* self,
                                         link_options links, llm_options options,
                                         llm_actor builtin);

} // namespace sotto
