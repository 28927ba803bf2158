#pragma once
// What `pgweir profile` prints: a state or an exported profile as a file, in words, and with advice. `pool`
// is "database/user", empty for all. Pure; any thread.

#include <string>

#include "pool/state.h"

namespace pgweir {

bool has_pool(const State& state, const std::string& pool);
// The bytes of a file. Without names, the texts of the statement classes are left out.
std::string export_profile(const State& state, const std::string& pool, bool with_names);
std::string show_profile(const State& state, const std::string& pool);
std::string advise_on_profile(const State& state, const std::string& pool);

}  // namespace pgweir
