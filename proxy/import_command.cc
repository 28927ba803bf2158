#include "proxy/import_command.h"

#include <cstdio>
#include <fstream>
#include <iterator>

#include "admin/import/import.h"
#include "admin/settings_load.h"
#include "proxy/process.h"

namespace pgweir {
namespace {

std::optional<std::string> read_some_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  char piece[65536];
  while (file.read(piece, sizeof piece) || file.gcount() > 0) {
    text.append(piece, static_cast<std::size_t>(file.gcount()));
    if (text.size() > longest_settings_file) return {};
  }
  if (!file.eof()) return {};
  return text;
}

}  // namespace

int run_import(const std::string& path) {
  const auto imported = import_pgbouncer(path, read_some_file);
  if (!imported) {
    std::fprintf(stderr, "pgweir: %s\n", imported.error().c_str());
    return status_refused;
  }
  std::fputs(imported->toml.c_str(), stdout);
  for (const std::string& note : imported->notes) std::fprintf(stderr, "%s\n", note.c_str());
  return 0;
}

}  // namespace pgweir
