#include "admin/userlist.h"

#include "admin/text_lines.h"

namespace pgweir {

Userlist read_userlist(Bytes text) {
  Userlist list;
  for (int number = 1; !text.empty(); ++number) {
    Bytes line = trimmed(take_line(text));
    if (line.empty() || line[0] == ';' || line[0] == '#') continue;
    auto name = take_quoted(line, '"');
    line = trimmed(line);
    auto password = take_quoted(line, '"');
    if (name && !name->empty() && password) {
      list.users.push_back({std::move(*name), std::move(*password), number});
    } else {
      list.bad_lines.push_back(number);
    }
  }
  return list;
}

}  // namespace pgweir
