#pragma once
// pgweir --import pgbouncer.ini

#include <string>

namespace pgweir {

// Writes the configuration to the standard output and what has no equivalent to the standard error; the
// result is the exit status.
int run_import(const std::string& path);

}  // namespace pgweir
