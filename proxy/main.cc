#include <cstdio>
#include <exception>

#include "admin/settings_print.h"
#include "proxy/import_command.h"
#include "proxy/options.h"
#include "proxy/process.h"
#include "proxy/profile_command.h"

int main(int argc, char** argv) {
  try {
    const auto options = pgweir::parse_options(argc, argv);
    if (!options) {
      const auto& [status, text] = options.error();
      std::fputs(text.c_str(), status == 0 ? stdout : stderr);
      return status;
    }
    if (options->print_config) {
      std::fputs(pgweir::print_default_config().c_str(), stdout);
      return 0;
    }
    if (!options->import_from.empty()) return pgweir::run_import(options->import_from);
    if (options->profile) return pgweir::run_profile_command(*options);
    return options->check_config ? pgweir::check_config(*options) : pgweir::run_process(*options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pgweir: %s\n", error.what());
    return pgweir::status_failed;
  }
}
