#include "admin/settings_check.h"

#include <variant>

#include "admin/setting.h"
#include "admin/settings_text.h"
#include "admin/tls_versions.h"
#include "protocol/secrets.h"

namespace pgweir {
namespace {

// Of one database; they are tried one after the other.
constexpr std::size_t most_hosts = 32;

class Checks {
 public:
  explicit Checks(const Settings& settings) : settings_(settings) {}

  std::vector<SettingsFinding> run() {
    listening();
    pool_sizes();
    autopilot();
    hosts();
    console_users("console.admin_users", settings_.console.admin_users);
    console_users("console.stats_users", settings_.console.stats_users);
    passwords();
    rules();
    encryption();
    alerts();
    return std::move(findings_);
  }

 private:
  void error(std::string setting, std::string text) {
    findings_.push_back({std::move(setting), std::move(text), true});
  }
  void warning(std::string setting, std::string text) {
    findings_.push_back({std::move(setting), std::move(text), false});
  }

  void listening() {
    if (settings_.listen.addresses.empty() && settings_.listen.unix_socket_dir.empty()) {
      error("listen.addresses", "found none and no unix_socket_dir either, so no client could connect");
    }
    const std::string& directory = settings_.listen.unix_socket_dir;
    if (!directory.empty() && directory.front() != '/') {
      error("listen.unix_socket_dir", "found \"" + printable(directory) + "\", allowed is an absolute path");
    }
  }

  void alerts() {
    const std::vector<std::string>& command = settings_.alerts.command;
    if (!command.empty() && command.front().front() != '/') {
      error("alerts.command",
            "found \"" + printable(command.front()) + "\", allowed is the absolute path of a program");
    }
  }

  static std::string too_many(int min, const std::string& size_name, int size) {
    return "found " + std::to_string(min) + ", allowed is at most " + size_name + ", " + std::to_string(size);
  }

  void pool_sizes() {
    const PoolSettings& pool = settings_.pool;
    if (pool.min_pool_size > pool.default_pool_size) {
      error("pool.min_pool_size", too_many(pool.min_pool_size, "default_pool_size", pool.default_pool_size));
    }
    for (const auto& [name, database] : settings_.databases) {
      if (!database.min_pool_size && !database.pool_size) continue;  // then [pool] was the matter
      const int min = database.min_pool_size.value_or(pool.min_pool_size);
      const int size = database.pool_size.value_or(pool.default_pool_size);
      if (min <= size) continue;
      const std::string section = "databases." + toml_key(name);
      if (database.min_pool_size) {
        error(section + ".min_pool_size",
              too_many(min, database.pool_size ? "pool_size" : "pool.default_pool_size", size));
      } else {
        error(section + ".pool_size", "found " + std::to_string(size) +
                                          ", allowed is no less than pool.min_pool_size, " +
                                          std::to_string(min));
      }
    }
    for (const auto& [name, user] : settings_.users) {
      if (user.pool_size && *user.pool_size < pool.min_pool_size) {
        error("users." + toml_key(name) + ".pool_size", "found " + std::to_string(*user.pool_size) +
                                                            ", allowed is no less than pool.min_pool_size, " +
                                                            std::to_string(pool.min_pool_size));
      }
    }
  }

  void encryption() {
    const TlsSettings& clients = settings_.client_tls;
    if (clients.mode != TlsMode::disable && clients.cert_file.empty())
      error("client_tls.cert_file",
            "found none, and without one clients cannot encrypt: give one, or set "
            "client_tls.sslmode = \"disable\"");
    encryption_of("client_tls", clients);
    encryption_of("server_tls", settings_.server_tls);
  }

  void encryption_of(const std::string& section, const TlsSettings& side) {
    if (side.cert_file.empty() != side.key_file.empty())
      error(section + (side.key_file.empty() ? ".key_file" : ".cert_file"),
            "found none, but a key and a certificate belong together");
    const bool verifies = side.mode == TlsMode::verify_ca || side.mode == TlsMode::verify_full;
    if (verifies && side.ca_file.empty())
      error(section + ".ca_file", "found none, and " + std::string(word_of(side.mode)) +
                                      " needs to know whom to trust; \"system\" is the system's authorities");
    if (const auto versions = tls_versions(side.protocols); !versions)
      error(section + ".protocols", versions.error());
  }

  // Wherever a bound is set: those that count there.
  void autopilot() {
    const PoolSettings& pool = settings_.pool;
    const auto check = [&](const std::string& section, int least, int most) {
      if (most == 0 || least <= most) return;
      error(section + ".autopilot_max_size", "found " + std::to_string(most) +
                                                 ", allowed is no less than autopilot_min_size, " +
                                                 std::to_string(least));
    };
    check("pool", pool.autopilot_min_size, pool.autopilot_max_size);
    const auto check_own = [&](const std::string& section, const auto& own) {
      if (!own.autopilot_min_size && !own.autopilot_max_size) return;
      check(section, own.autopilot_min_size.value_or(pool.autopilot_min_size),
            own.autopilot_max_size.value_or(pool.autopilot_max_size));
    };
    for (const auto& [name, database] : settings_.databases)
      check_own("databases." + toml_key(name), database);
    for (const auto& [name, user] : settings_.users) check_own("users." + toml_key(name), user);
  }

  void hosts() {
    for (const auto& [name, database] : settings_.databases) {
      const std::string section = "databases." + toml_key(name);
      const std::size_t hosts = database.hosts.size(), ports = database.ports.size();
      if (hosts > most_hosts) {
        error(section + ".host",
              "found " + std::to_string(hosts) + " hosts, allowed are " + std::to_string(most_hosts));
      }
      if (ports != 1 && ports != hosts) {
        error(section + ".port", "found " + std::to_string(ports) + " ports for " + std::to_string(hosts) +
                                     (hosts == 1 ? " host" : " hosts") +
                                     ", allowed is one for all or one for each");
      }
    }
  }

  void console_users(const std::string& setting, const std::vector<std::string>& names) {
    if (settings_.auth.type == AuthType::trust) return;
    for (const std::string& name : names) {
      if (settings_.find_user(name) != nullptr) continue;
      warning(setting, "\"" + printable(name) + "\" cannot log in: there is no [users." +
                           printable(toml_key(name)) + "], nor a line of auth.auth_file");
    }
  }

  void rules() {
    const AuthSettings& auth = settings_.auth;
    if (auth.type == AuthType::hba && auth.hba_file.empty())
      error("auth.hba_file", "found none, and auth.type = \"hba\" needs one");
    if (auth.type != AuthType::hba && !auth.hba_file.empty())
      warning("auth.hba_file", "is not used, since auth.type is \"" + std::string(word_of(auth.type)) + "\"");
  }

  void passwords() {
    for (const auto& [name, user] : settings_.users) {
      const std::string setting = "users." + toml_key(name) + ".password";
      const Secret secret = parse_secret(user.password);
      if (std::holds_alternative<Md5Verifier>(secret) && settings_.auth.type == AuthType::scram_sha_256) {
        warning(setting, "an md5 password cannot log in while auth.type is \"scram-sha-256\"");
      }
      if (std::holds_alternative<PlainPassword>(secret) && user.password.starts_with("SCRAM-SHA-256$")) {
        warning(setting, "begins like a SCRAM verifier but is none, so it is taken as a plain password");
      }
    }
  }

  const Settings& settings_;
  std::vector<SettingsFinding> findings_;
};

}  // namespace

std::vector<SettingsFinding> check_settings(const Settings& settings) { return Checks(settings).run(); }

}  // namespace pgweir
