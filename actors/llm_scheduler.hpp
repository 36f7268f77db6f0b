#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "actors/circuit_breaker.hpp"
#include "actors/llm_metrics.hpp"
#include "actors/shared_prompts.hpp"
#include "config/llm_options.hpp"
#include "runtime/lasting_actor.hpp"
#include "runtime/waiting_client.hpp"

namespace sotto {

/// Opens a connection to a deployment.
using connect_function = std::function<llm_actor(caf::actor_system&, const llm_deployment&)>;

/// A connection and whoever ends it: the reactor may still hold it.
class owned_connection {
public:
  owned_connection() = default;
  explicit owned_connection(llm_actor x) : x_(std::move(x)) {}
  owned_connection(owned_connection&&) noexcept = default;
  owned_connection& operator=(owned_connection&& x) noexcept {
    std::swap(x_, x.x_);
    return *this;
  }
  ~owned_connection();

  explicit operator bool() const { return static_cast<bool>(x_); }
  const llm_actor& get() const { return x_; }
  /// It has ended.
  void gone() { x_ = llm_actor{}; }

private:
  llm_actor x_;
};

/// LLM SCHEDULER's state: shares the deployments' connections among generations.
///
/// A generation waits at the first of its deployments that its breaker lets through, by priority,
/// until a connection is free. Where the deployment fails before the first token, the next one is
/// tried. Without deployments BUILTIN gets it at once.
///
/// Who asks for what is under way already, and not left to chance, joins that call: it goes by the
/// best level of all who wait for it, everybody has their own deadline, and it is given up when
/// nobody is left.
///
/// It is never started anew, as it alone knows what runs where: after a failure it counts that
/// anew.
class llm_scheduler_state {
public:
  static inline const char* name = "llm_scheduler";

  using self_pointer = lasting_actor_of<llm_scheduler_actor, llm_scheduler_state>*;

  void init(self_pointer self, llm_options options, llm_actor builtin, connect_function connect);
  void generate(const context& ctx, llm_client_actor client, uint64_t ticket, generation ask);
  void cancel(const context& ctx, const llm_client_actor& client, uint64_t ticket);
  void token(uint64_t number, const std::string& text);
  void completed(uint64_t number, completion result);
  void failed(uint64_t number, const failure& why);
  void down(const caf::down_msg& x);
  void tick();

private:
  using asker = waiting_client<llm_client_actor>;
  using call = prompt_call<llm_client_actor, asker>;

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
    std::vector<owned_connection> idle;
    size_t running = 0;
  };

  struct running_job {
    job what;
    deployment* at = nullptr;
    owned_connection connection;
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
  void refuse(asker& x, failure why);
  void refuse_job(const job& x, const failure& why);
  /// Tells those whose time is over; true where nobody is left.
  bool expire(const job& x, const std::string& why);
  void give_up(uint64_t number);
  running_job take(uint64_t number);
  void release(running_job& x);
  void next_choice(job x, const std::string& name, const std::string& why);
  void arm();
  void mend();

  self_pointer self_ = nullptr;
  llm_options options_;
  llm_actor builtin_;
  connect_function connect_;
  std::unique_ptr<llm_metrics> metrics_;
  std::unordered_map<std::string, std::unique_ptr<deployment>> deployments_;
  shared_prompts<llm_client_actor, asker> calls_;
  std::unordered_map<uint64_t, running_job> running_;
  uint64_t next_number_ = 1;
  bool armed_ = false;
};

llm_scheduler_actor::behavior_type
llm_scheduler(lasting_actor_of<llm_scheduler_actor, llm_scheduler_state>* self, llm_options options,
              llm_actor builtin, connect_function connect);

} // namespace sotto
