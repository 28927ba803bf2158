#pragma once
// PgBouncer's ini format, as its own reader takes it: sections, `key = value` up to the end of the line,
// comments that begin a line, %include. Pure but for `read`.

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/bytes.h"

namespace pgweir {

// The contents of a file; nothing when it cannot be read.
using FileReader = std::function<std::optional<std::string>(const std::string& path)>;

struct IniLine {
  std::string where;  // "pgbouncer.ini:7"
  std::string section, key, value;
};

struct Ini {
  std::vector<IniLine> lines;
  std::vector<std::string> problems;  // lines that are none of these, and files that cannot be read
};

Ini read_ini(const std::string& path, const FileReader& read);

// "host=a port=5432 password='it''s'". Nothing when it is not of this form.
std::optional<std::vector<std::pair<std::string, std::string>>> split_connect_string(Bytes text);

}  // namespace pgweir
