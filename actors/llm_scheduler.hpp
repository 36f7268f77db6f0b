#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "actors/circuit_breaker.hpp"
#include "actors/llm_metrics.hpp"
#include "actors/shared_prompts.hpp"
#include "config/llm_options.hpp"
#include "runtime/base_actor.hpp"
#include "runtime/early_cancels.hpp"

namespace sotto {

/// Opens a connection to a deployment.
using connect_function = std::function<llm_actor(caf::actor_system&, const llm_deployment&)>;

/// LLM SCHEDULER's state: shares the deployments' connections among generations.
///
/// A generation waits at the first of its deployments that its breaker lets through, by priority,
/// until a connection is free. Where the deployment fails before the first token, the next one is
/// tried. Without deployments BUILTIN gets it at once.
///
/// Who asks for what is under way already, and not left to chance, joins that call: it goes by the
/// best level of all who wait for it, everybody has their own deadline, and it is given up when
/// nobody is left.
class llm_scheduler_state {
public:
  static inline const char* name = "llm_scheduler";

  using self_pointer = actor_of<llm_scheduler_actor, llm_scheduler_state>*;

  /// Ends the connections: the reactor may still hold them.
  ~llm_scheduler_state();

  void init(self_pointer self, llm_options options, llm_actor builtin, connect_function connect);
  void generate(const context& ctx, llm_client_actor client, uint64_t ticket, generation ask);
  void cancel(const llm_client_actor& client, uint64_t ticket);
  void token(uint64_t number, const std::string& text);
  void completed(uint64_t number, completion result);
  void failed(uint64_t number, const failure& why);
  void down(const caf::down_msg& x);
  void tick();

private:
  using asker = prompt_asker<llm_client_actor>;
  using call = prompt_call<llm_client_actor>;

  struct job {
    std::shared_ptr<call> who;
    generation ask;
    /// Index of the deployment that is tried now.
    size_t choice = 0;
    /// The deployments tried before, and why they failed.
    std::vector<std::string> failed;
    std::string reasons;
    int64_t since = 0;
    bool begun = false;
  };

  struct deployment {
    explicit deployment(const llm_deployment& o, const llm_options& all)
        : options(o), breaker(all.breaker_failures, all.breaker_pause.count(),
                              all.breaker_longest_pause.count()),
          waiting(all.max_waiting) {}

    llm_deployment options;
    circuit_breaker breaker;
    level_queue<job> waiting;
    std::vector<llm_actor> idle;
    size_t running = 0;
  };

  struct running_job {
    job what;
    deployment* at = nullptr;
    llm_actor connection;
  };

  void place(job x);
  void start(deployment& at, job x);
  void serve(deployment& at);
  void exhausted(job x);
  /// False where no call that is under way can be joined; `x` is untouched then.
  bool join(const std::string& key, asker& x);
  /// Of what goes on for the call.
  context call_context(const job& x);
  /// Of an answer to a client: it is worth hearing however late it is.
  context answer_context(const asker& x);
  void refuse(const asker& x, failure why);
  void refuse_job(const job& x, const failure& why);
  /// Tells those whose time is over; true where nobody is left.
  bool expire(const job& x, const std::string& why);
  void give_up(uint64_t number);
  running_job take(uint64_t number);
  void release(running_job& x);
  void next_choice(job x, const std::string& name, const std::string& why);
  void arm();

  self_pointer self_ = nullptr;
  llm_options options_;
  llm_actor builtin_;
  connect_function connect_;
  std::unique_ptr<llm_metrics> metrics_;
  std::unordered_map<std::string, std::unique_ptr<deployment>> deployments_;
  shared_prompts<llm_client_actor> calls_;
  std::unordered_map<uint64_t, running_job> running_;
  uint64_t next_number_ = 1;
  early_cancels early_;
  bool armed_ = false;
};

llm_scheduler_actor::behavior_type
llm_scheduler(actor_of<llm_scheduler_actor, llm_scheduler_state>* self, llm_options options,
              llm_actor builtin, connect_function connect);

} // namespace sotto
