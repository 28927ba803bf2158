#include "proxy/profile_command.h"

#include <unistd.h>

#include <cstdio>

#include "admin/profile_report.h"
#include "proxy/net/state_file.h"
#include "proxy/process.h"
#include "proxy/start_settings.h"

namespace pgweir {
namespace {

int refuse(const std::string& why) {
  std::fprintf(stderr, "pgweir: %s\n", why.c_str());
  return status_refused;
}

}  // namespace

int run_profile_command(const Options& options) {
  const ProfileCommand& command = *options.profile;
  std::string file = command.file;
  if (command.kind == ProfileCommand::Kind::export_it) {
    if (::isatty(STDOUT_FILENO) != 0)
      return refuse("a profile is not for the eye; say where it goes: pgweir ... profile export > FILE");
    const auto loaded = start_settings(options);
    if (!loaded) return refuse(loaded.error().front().text());
    file = loaded->settings.state_file;
    if (file.empty())
      return refuse(options.config + " sets no state_file: nothing is kept that could be exported");
  }
  const Duration wall_offset = wall_offset_now();
  const auto read = load_state(file, wall_offset);
  if (!read) return refuse(read.error());
  const State& state = read->state;
  if (!command.pool.empty() && !has_pool(state, command.pool))
    return refuse(file + ": no pool " + command.pool + " in it");

  std::string out;
  switch (command.kind) {
    case ProfileCommand::Kind::export_it:
      out = export_profile(state, command.pool, command.with_names);
      break;
    case ProfileCommand::Kind::show:
      out = show_profile(state, command.pool);
      break;
    case ProfileCommand::Kind::advise:
      out = advise_on_profile(state, command.pool);
      break;
  }
  if (std::fwrite(out.data(), 1, out.size(), stdout) != out.size() || std::fflush(stdout) != 0) {
    std::perror("pgweir: standard output");
    return status_failed;
  }
  return 0;
}

}  // namespace pgweir
