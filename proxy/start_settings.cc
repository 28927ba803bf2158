#include "proxy/start_settings.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "admin/settings_text.h"

namespace pgweir {
namespace {

constexpr int postgres_port = 5432;
constexpr auto socket_dir = "/var/run/postgresql";

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool socket_exists(const std::string& directory, int port) {
  struct stat found {};
  const std::string path = directory + "/.s.PGSQL." + std::to_string(port);
  return ::stat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode);
}

// What was not said comes from PGHOST and PGPORT, then from the local default, as in libpq.
tl::expected<Conninfo, std::string> complete(Conninfo server) {
  if (const std::string port = environment("PGPORT"); server.port == 0 && !port.empty()) {
    const auto parsed = parse_conninfo("port=" + port);
    if (!parsed) return tl::unexpected("PGPORT: " + parsed.error());
    server.port = parsed->port;
  }
  if (server.port == 0) server.port = postgres_port;
  if (server.host.empty()) server.host = environment("PGHOST");
  if (server.host.empty()) server.host = socket_exists(socket_dir, server.port) ? socket_dir : "127.0.0.1";
  return server;
}

std::vector<std::string> console_admins() {
  std::vector<std::string> names{"postgres"};
  const passwd* const entry = ::getpwuid(::geteuid());
  if (entry != nullptr && names.front() != entry->pw_name) names.emplace_back(entry->pw_name);
  return names;
}

}  // namespace

std::string plain_config(const Conninfo& server, const std::vector<std::string>& admin_users) {
  std::string text =
      "[auth]\ntype = \"trust\"\n[listen]\naddresses = [\"127.0.0.1\"]\nunix_socket_dir = \"\"\n";
  text += "[console]\nadmin_users = [";
  for (const std::string& name : admin_users) text += toml_string(name) + ",";
  text += "]\n[databases.\"*\"]\nhost = " + toml_string(server.host) +
          "\nport = " + std::to_string(server.port) + "\n";
  if (!server.dbname.empty()) text += "dbname = " + toml_string(server.dbname) + "\n";
  if (!server.user.empty()) text += "user = " + toml_string(server.user) + "\n";
  if (!server.password.empty()) text += "password = " + toml_string(server.password) + "\n";
  return text;
}

tl::expected<LoadedSettings, SettingErrors> start_settings(const Options& options) {
  tl::expected<LoadedSettings, SettingErrors> loaded;
  if (!options.config.empty()) {
    loaded = load_settings_file(options.config);
  } else {
    const auto server = complete(options.to.value_or(Conninfo{}));
    if (!server) return tl::unexpected(SettingErrors{{"environment", 0, "", server.error()}});
    loaded = load_settings_text(plain_config(*server, console_admins()), "command line");
  }
  if (loaded && options.port) loaded->settings.listen.port = *options.port;
  return loaded;
}

}  // namespace pgweir
