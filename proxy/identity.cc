#include "proxy/identity.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>

#include "protocol/bytes.h"

namespace pgweir {
namespace {

using Failure = tl::unexpected<std::string>;

std::string reason() { return std::generic_category().message(errno); }

tl::expected<const passwd*, std::string> look_up(const std::string& name) {
  errno = 0;
  const passwd* const user = ::getpwnam(name.c_str());  // no other thread runs
  if (user == nullptr)
    return Failure("user: there is no user \"" + name + "\"" + (errno == 0 ? "" : ": " + reason()));
  return user;
}

}  // namespace

tl::expected<uid_t, std::string> find_user(const std::string& name) {
  return look_up(name).map([](const passwd* user) { return user->pw_uid; });
}

tl::expected<void, std::string> become_user(const std::string& name, const std::vector<std::string>& files) {
  const auto found = look_up(name);
  if (!found) return Failure(found.error());
  const passwd* const user = *found;
  if (::geteuid() == user->pw_uid) return {};
  if (::geteuid() != 0) {
    return Failure("user: only root can become \"" + name +
                   "\"; start pgweir as root or as that user, or leave the setting out");
  }
  for (const std::string& file : files) {
    if (::lchown(file.c_str(), user->pw_uid, user->pw_gid) != 0 && errno != ENOENT)
      return Failure("user: cannot give " + file + " to \"" + name + "\": " + reason());
  }
  if (::initgroups(name.c_str(), user->pw_gid) != 0 || ::setgid(user->pw_gid) != 0 ||
      ::setuid(user->pw_uid) != 0)
    return Failure("user: cannot become \"" + name + "\": " + reason());
  if (user->pw_uid != 0 && ::setuid(0) == 0) return Failure("user: root was not given up");
  return {};
}

tl::expected<void, std::string> PidFile::write(const std::string& path, bool replace) {
  const auto open_and_lock = [&] {
    file_ = Descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    return file_.valid() && ::flock(file_.get(), LOCK_EX | LOCK_NB) == 0;
  };
  bool locked = open_and_lock();
  if (!locked && errno == EWOULDBLOCK) {
    if (!replace) {
      std::string pid;
      std::ifstream(path) >> pid;
      return Failure("pidfile: " + path + " belongs to a process that is running, " + printable(pid, 20) +
                     "; each process needs a file of its own");
    }
    ::unlink(path.c_str());
    locked = open_and_lock();
  }
  const std::string text = std::to_string(::getpid()) + "\n";
  if (!locked || ::ftruncate(file_.get(), 0) != 0 ||
      ::write(file_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return Failure("pidfile: " + path + ": " + reason());
  path_ = path;
  return {};
}

PidFile::~PidFile() {
  if (path_.empty()) return;
  std::ifstream file(path_);
  if (pid_t named = 0; file >> named && named == ::getpid()) ::unlink(path_.c_str());
}

}  // namespace pgweir
