#pragma once
// PgBouncer's userlist.txt: "name" "password" on each line, with "" for a quote. Pure; any thread.

#include <string>
#include <vector>

#include "protocol/bytes.h"

namespace pgweir {

struct UserlistEntry {
  std::string name, password;
  int line = 0;
};
struct Userlist {
  std::vector<UserlistEntry> users;
  std::vector<int> bad_lines;
};
Userlist read_userlist(Bytes text);

}  // namespace pgweir
