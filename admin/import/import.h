#pragma once
// PgBouncer's configuration as one of pgweir: `pgweir --import pgbouncer.ini`. Pure but for `read`.

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "admin/import/ini.h"

namespace pgweir {

struct Imported {
  std::string toml;                // loads without an error; the notes are comments at its top
  std::vector<std::string> notes;  // what has no equivalent, each with its file and line
};

// Nothing but the reason when the file cannot be read. Where PgBouncer's default differs from pgweir's and
// the file does not say, PgBouncer's is written.
tl::expected<Imported, std::string> import_pgbouncer(const std::string& path, const FileReader& read);

}  // namespace pgweir
