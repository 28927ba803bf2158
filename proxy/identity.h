#pragma once
// As whom the process runs, and the file that says which one it is.

#include <sys/types.h>

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "proxy/net/handle.h"

namespace pgweir {

// The user's number; the error is in words.
tl::expected<uid_t, std::string> find_user(const std::string& name);

// From root to this user, its groups, and no way back; nothing when it is that user already. The files, which
// may be missing, become the user's as well. The error is in words.
tl::expected<void, std::string> become_user(const std::string& name, const std::vector<std::string>& files);

// Holds the process id, locked; removed with this object, unless another process has put its own in its place
// meanwhile.
class PidFile {
 public:
  PidFile() = default;
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;
  ~PidFile();

  // Refused when a living process holds the file; `replace`: it is our predecessor's then, and gives way.
  tl::expected<void, std::string> write(const std::string& path, bool replace);

 private:
  std::string path_;  // empty: not written
  Descriptor file_;
};

}  // namespace pgweir
