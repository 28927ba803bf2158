#pragma once
// The command line.

#include <cstdint>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "proxy/conninfo.h"

namespace pgweir {

// pgweir profile ...
struct ProfileCommand {
  enum class Kind : std::uint8_t { export_it, show, advise };
  Kind kind = Kind::show;
  std::string file;  // not for an export, which reads the state file of the configuration
  std::string pool;  // only this one, as "database/user"; empty: all
  bool with_names = false;
};

struct Options {
  std::string config;  // empty: serve without a configuration
  bool check_config = false;
  bool print_config = false;
  std::string import_from;  // a configuration of PgBouncer; empty: none
  std::optional<Conninfo> to;
  std::optional<ProfileCommand> profile;
  bool takeover = false;
  std::optional<int> port;  // instead of the configured one
};

// The process ends here: --help, --version, or a mistake. The text is to be printed.
struct Leave {
  int status = 0;
  std::string text;
};

tl::expected<Options, Leave> parse_options(int argc, const char* const* argv);

}  // namespace pgweir
