#include "tests/support/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "tests/support/temp_dir.h"

namespace pgweir {
namespace {

struct LiveChild {
  pid_t pid;
  int stop_signal;
};

std::vector<LiveChild>& live_children() {
  static auto* const children = new std::vector<LiveChild>();  // outlives everything that runs at exit
  return *children;
}

void stop_live_children() {
  for (const LiveChild& child : live_children()) kill(child.pid, child.stop_signal);
}

void forget(pid_t pid) {
  std::erase_if(live_children(), [pid](const LiveChild& child) { return child.pid == pid; });
}

struct Identity {
  bool change = false;
  uid_t uid = 0;
  gid_t gid = 0;
};

Identity look_up(const std::string& user) {
  if (user.empty()) return {};
  const passwd* entry = getpwnam(user.c_str());
  if (!entry) throw std::runtime_error("no such system user: " + user);
  return {true, entry->pw_uid, entry->pw_gid};
}

[[noreturn]] void become(const std::vector<std::string>& command, const ChildOptions& options,
                         const Identity& identity, pid_t parent, std::vector<char*>& arguments) {
  const char* output = options.output_file.empty() ? "/dev/null" : options.output_file.c_str();
  const int out = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
  bool ready = out >= 0 && in >= 0 && dup2(in, 0) == 0 && chdir("/") == 0;
  if (ready && options.own_output) ready = dup2(out, 1) == 1 && dup2(out, 2) == 2;
  if (ready && identity.change) {
    ready = setgroups(0, nullptr) == 0 && setgid(identity.gid) == 0 && setuid(identity.uid) == 0;
  }
  for (const std::string& assignment : options.environment) putenv(const_cast<char*>(assignment.c_str()));
  // After the change of user, which clears it.
  prctl(PR_SET_PDEATHSIG, options.stop_signal);
  if (ready && getppid() == parent) execvp(command[0].c_str(), arguments.data());
  _exit(127);
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& command, ChildOptions options)
    : options_(std::move(options)) {
  const Identity identity = look_up(options_.user);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  static const bool registered = std::atexit(stop_live_children) == 0;
  (void)registered;
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) become(command, options_, identity, parent, arguments);
  live_children().push_back({pid_, options_.stop_signal});
}

ChildProcess::~ChildProcess() { stop(options_.stop_signal); }

std::optional<int> ChildProcess::exit_status() {
  if (status_) return status_;
  int status = 0;
  const pid_t found = waitpid(pid_, &status, WNOHANG);
  if (found == 0) return std::nullopt;
  forget(pid_);
  if (found < 0) {
    status_ = 127;
  } else {
    status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  return status_;
}

std::optional<int> ChildProcess::wait(std::chrono::milliseconds limit) {
  eventually([this] { return !running(); }, limit);
  return exit_status();
}

void ChildProcess::signal(int number) {
  if (running()) kill(pid_, number);
}

void ChildProcess::stop(int number) {
  if (!running()) return;
  kill(pid_, number);
  if (!wait()) {
    kill(pid_, SIGKILL);
    wait();
  }
}

std::string run_program(const std::vector<std::string>& command, const std::string& user) {
  const TempDir dir;
  const std::string output = dir / "output";
  ChildProcess child(command,
                     {.user = user, .output_file = output, .environment = {}, .stop_signal = SIGKILL});
  const std::optional<int> status = child.wait(std::chrono::minutes(2));
  std::string text = read_file(output);
  if (status != 0) {
    throw std::runtime_error(command[0] + " failed with status " + (status ? std::to_string(*status) : "?") +
                             ":\n" + text);
  }
  return text;
}

}  // namespace pgweir
