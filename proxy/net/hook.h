#pragma once
// A program of the operator, run beside pgweir in a process of its own: without a shell, with text on its
// standard input, its output thrown away, in a session of its own so that it can be killed with all that it
// has started. Belongs to the thread of the loop, which it never waits for; only the start of the process
// (fork and exec) is done in line. One run at a time. Destroying this kills what runs.

#include <functional>
#include <string>

#include "proxy/net/handle.h"
#include "proxy/net/log.h"
#include "proxy/session/control_host.h"

namespace pgweir {

class Hook {
 public:
  // `ended` is called once for each run, from the loop, never within run().
  Hook(uv_loop_t* loop, Log& log, std::function<void()> ended);
  ~Hook();
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;

  // None runs now. Failures are logged.
  void run(HookRun run);

 private:
  int spawn(HookRun& run);
  void on_exit(std::int64_t status, int signal);
  void on_time_limit();
  void kill_all();
  void settle();

  uv_loop_t* loop_;
  Log& log_;
  std::function<void()> ended_;
  HandlePtr<uv_timer_t> timer_;
  HandlePtr<uv_process_t> process_;
  HandlePtr<uv_pipe_t> input_;
  bool running_ = false, killed_ = false;
  Duration time_limit_{};
};

}  // namespace pgweir
