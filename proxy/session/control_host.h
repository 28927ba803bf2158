#pragma once
// What the control core may ask of the world, as host.h is for a worker.

#include <functional>
#include <string>
#include <vector>

#include "pool/state.h"
#include "proxy/session/host.h"

namespace pgweir {

// A program to run beside pgweir: one at a time.
struct HookRun {
  std::vector<std::string> command;  // its path and its arguments; no shell
  std::string input;                 // for its standard input
  Duration time_limit{};             // it is killed then, with all that it has started
};

class ControlHost {
 public:
  virtual ~ControlHost() = default;

  virtual void post(WorkerId worker, WorkerMail mail) = 0;
  // Reads the configuration again; returns what to tell the operator, and the new settings or null when they
  // were refused.
  struct Reloaded {
    std::shared_ptr<const Settings> settings;
    std::shared_ptr<const TlsContexts> tls{};
    std::string report;
  };
  virtual Reloaded reload(const Settings& running) = 0;
  // Runs `work` on another thread, which may take its time; its result comes back as mail.
  virtual void in_background(std::function<ControlMail()> work) = 0;
  // Starts it, and answers by ControlCore::hook_ended when it has ended, was killed, or could not be started.
  virtual void run_hook(HookRun run) = 0;
  // Stops the process at once; or begins a drain, which comes back as ControlCore::drain.
  virtual void stop() = 0;
  virtual void start_drain(DrainMode mode) = 0;
  // Asks the process that this one has taken over from, which answers by ControlCore::cancel_handled; false
  // when there is none (any more).
  virtual bool ask_predecessor(const CancelByKey& cancel) = 0;
  // The answer to ControlCore::cancel.
  virtual void foreign_cancel_handled(std::uint64_t foreign) = 0;
  // The answer to ControlCore::check_alive: every worker has answered.
  virtual void alive() = 0;
  // Settings of the host's own, such as the log's, have changed.
  virtual void configure(const Settings& settings) = 0;
  // To be there after a restart; any order.
  virtual void keep(StateEntry entry) = 0;
  virtual void log(LogLine line) = 0;
};

}  // namespace pgweir
