#include "proxy/options.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <sstream>

namespace pgweir {
namespace {

constexpr auto about =
    "A transaction-pooling PostgreSQL proxy that measures what size its pools should have.\n"
    "Without --config it listens on 127.0.0.1:6432 and forwards every database to the PostgreSQL\n"
    "at PGHOST and PGPORT, or to the local one.";

constexpr auto more =
    "Examples:\n"
    "  pgweir --to 'host=10.0.0.5 port=5432'\n"
    "  pgweir --print-config > pgweir.toml\n"
    "  pgweir --config pgweir.toml\n"
    "  pgweir --config pgweir.toml profile export > shop.profile\n"
    "  pgweir profile advise shop.profile\n"
    "  psql -p 6432 -h 127.0.0.1 pgweir -c 'SHOW HELP'\n"
    "\n"
    "Signals: TERM and INT let transactions finish and stop, INT again or QUIT stop at once, HUP reads\n"
    "the configuration again, USR1 is PAUSE on the console, USR2 is RESUME.";

constexpr auto mistake = 2;

// Without the list of what an option excludes: CLI11 orders it by addresses, and mistakes are told anyway.
class Formatter final : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string type = option->get_type_name();
    return type.empty() ? "" : " " + type;
  }
};

}  // namespace

tl::expected<Options, Leave> parse_options(int argc, const char* const* argv) {
  Options options;
  std::string to;
  int port = 0;
  CLI::App app(about, "pgweir");
  app.formatter(std::make_shared<Formatter>());
  app.footer(more);
  app.set_version_flag("--version", "pgweir " PGWEIR_VERSION, "Print the version and leave");
  app.set_help_flag("--help,-h", "Print this and leave");
  auto* const config =
      app.add_option("--config", options.config, "Configuration file (TOML)")->type_name("FILE");
  app.add_flag("--check-config", options.check_config, "Say whether the configuration is right, and leave")
      ->needs(config);
  app.add_flag("--print-config", options.print_config, "Print the whole default configuration, and leave");
  app.add_option("--import", options.import_from,
                 "Print the configuration that means the same as this one of PgBouncer, say what has\nno "
                 "equivalent, and leave")
      ->type_name("PGBOUNCER.INI")
      ->excludes(config);
  auto* const to_option = app.add_option("--to", to,
                                         "Serve without a configuration, in front of this PostgreSQL:\nhost, "
                                         "port, dbname, user, password")
                              ->type_name("'host=... port=...'")
                              ->excludes(config);
  auto* const port_option =
      app.add_option("--port", port, "TCP port to listen on, instead of the configured one")
          ->type_name("N")
          ->check(CLI::Range(1, 65535));
  app.add_flag(
      "--takeover", options.takeover,
      "Take over from the pgweir that serves with the same listen.unix_socket_dir and\nport: no client "
      "is refused, and it ends when its clients have left");
  ProfileCommand profile;
  CLI::App* const measures =
      app.add_subcommand("profile", "What was measured: export it, look at it, ask for advice");
  measures->require_subcommand(1);
  measures->fallthrough();
  const auto profile_command = [&](const char* name, ProfileCommand::Kind kind, const char* doc) {
    CLI::App* const command = measures->add_subcommand(name, doc);
    command->fallthrough();
    command->add_option("--pool", profile.pool, "Only this pool")->type_name("DATABASE/USER");
    command->callback([&options, &profile, kind] {
      profile.kind = kind;
      options.profile = profile;
    });
    return command;
  };
  CLI::App* const exported = profile_command(
      "export", ProfileCommand::Kind::export_it,
      "Write what the state file of --config holds to the standard output.\nPasswords, SQL and "
      "values are not in it");
  exported->needs(config);
  exported->add_flag("--with-names", profile.with_names,
                     "With the normalised texts of the queries, without their values");
  for (CLI::App* const command :
       {profile_command("show", ProfileCommand::Kind::show,
                        "Say what an exported profile or a state file holds"),
        profile_command("advise", ProfileCommand::Kind::advise, "Recommend sizes for the pools in it")})
    command->add_option("FILE", profile.file, "An exported profile or a state file")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    const bool wrong = app.exit(error, out, err) != 0;
    return tl::unexpected(Leave{wrong ? mistake : 0, wrong ? "pgweir: " + err.str() : out.str()});
  }
  if (to_option->count() > 0) {
    auto parsed = parse_conninfo(to);
    if (!parsed) return tl::unexpected(Leave{mistake, "pgweir: --to: " + parsed.error() + "\n"});
    options.to = std::move(*parsed);
  }
  if (port_option->count() > 0) options.port = port;
  return options;
}

}  // namespace pgweir
