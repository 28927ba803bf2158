#pragma once
// A program that a test starts. It ends with the test: by the destructor, at exit, and by the kernel when the
// test itself is killed. Start children from the main thread only, since the kernel looks at the thread.

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/eventually.h"

namespace pgweir {

struct ChildOptions {
  std::string user;                      // run as this user; only root can
  std::string output_file;               // where stdout and stderr go, appended; empty: /dev/null
  bool own_output = true;                // otherwise stdout and stderr are those of the test
  std::vector<std::string> environment;  // NAME=value, beside what is inherited
  int stop_signal = 15;  // what ends the program in an orderly way, and what it gets when the test dies
};

class ChildProcess {
 public:
  ChildProcess(const std::vector<std::string>& command, ChildOptions options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  bool running() { return !exit_status(); }
  // The exit code, or 128 + the signal that ended it; nothing while it runs.
  std::optional<int> exit_status();
  std::optional<int> wait(std::chrono::milliseconds limit = patience);
  // Does nothing once the program has ended.
  void signal(int number);
  // Asks, waits, and kills when that does not help.
  void stop(int number);

 private:
  pid_t pid_ = -1;
  ChildOptions options_;
  std::optional<int> status_;
};

// Runs a program to its end; throws with its output when it fails.
std::string run_program(const std::vector<std::string>& command, const std::string& user = {});

}  // namespace pgweir
