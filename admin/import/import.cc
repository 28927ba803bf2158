#include "admin/import/import.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "admin/hba.h"
#include "admin/no_equivalent.h"
#include "admin/settings_table.h"
#include "admin/settings_text.h"
#include "admin/userlist.h"
#include "protocol/bytes.h"

namespace pgweir {
namespace {

// PgBouncer 1.25's, where pgweir's is another.
constexpr std::array<std::pair<Bytes, Bytes>, 8> defaults{{{"listen_addr", ""},
                                                           {"unix_socket_dir", "/tmp"},
                                                           {"unix_socket_mode", "0777"},
                                                           {"listen_backlog", "128"},
                                                           {"auth_type", "md5"},
                                                           {"pool_mode", "session"},
                                                           {"max_client_conn", "100"},
                                                           {"client_tls_sslmode", "disable"}}};
constexpr Bytes default_host = "/var/run/postgresql";  // Debian's, as PgBouncer's package

std::vector<std::string> split(Bytes text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    Bytes part = text.substr(0, end);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::optional<std::int64_t> whole_number(const std::string& text, int base = 10) {
  char* end = nullptr;
  errno = 0;
  const long long number = std::strtoll(text.c_str(), &end, base);
  if (text.empty() || *end != '\0' || errno != 0) return {};
  return number;
}

std::optional<bool> truth(Bytes text) {
  const std::string word = lower_ascii(text);
  for (const Bytes yes : {"1", "yes", "true", "on", "t", "y"}) {
    if (word == yes) return true;
  }
  for (const Bytes no : {"0", "no", "false", "off", "f", "n"}) {
    if (word == no) return false;
  }
  return {};
}

// Seconds, with a fraction or without.
std::optional<Duration> seconds(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(number >= 0 && number < 1e9)) return {};
  return std::chrono::duration_cast<Duration>(std::chrono::milliseconds(std::llround(number * 1000)));
}

template <class T>
SettingValue or_nothing(std::optional<T> value) {
  return value ? SettingValue(std::move(*value)) : SettingValue();
}

// monostate: not a value of this kind.
SettingValue value_of(const Setting& row, const std::string& text) {
  switch (row.kind) {
    case SettingKind::boolean:
      return or_nothing(truth(text));
    case SettingKind::integer:
      return or_nothing(whole_number(text));
    case SettingKind::file_mode:
      return or_nothing(whole_number(text, 8));
    case SettingKind::duration:
      return or_nothing(seconds(text));
    case SettingKind::text:
      return text;
    case SettingKind::word:
      return lower_ascii(text);
    case SettingKind::text_list:
    case SettingKind::texts:
      return split(text);
    case SettingKind::integers: {
      std::vector<std::int64_t> numbers;
      for (const std::string& part : split(text)) {
        const auto number = whole_number(part);
        if (!number) return {};
        numbers.push_back(*number);
      }
      return numbers;
    }
  }
  return {};
}

const Setting* find_general(Bytes name) {
  for (const Setting& row : settings_table()) {
    if (!row.per_database() && !row.per_user() && row.show_name() == name) return &row;
  }
  return nullptr;
}

class Importer {
 public:
  explicit Importer(const FileReader& read) : read_(read) {}

  void add(const Ini& ini, const std::string& path) {
    notes_ = ini.problems;
    directory_ = path.substr(0, path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1);
    for (const IniLine& line : ini.lines) {
      if (line.section == "pgbouncer") {
        general(line.where, line.key, line.value);
      } else if (line.section == "databases") {
        entry(line, "databases");
      } else if (line.section == "users") {
        entry(line, "users");
      } else if (line.section == "peers") {
        note(line.where, "[peers]",
             "one process serves with several threads (workers), so there are no peers");
      } else {
        note(line.where, line.key, "there is no section [" + line.section + "]");
      }
    }
    for (const auto& [name, value] : defaults) {
      const Setting* const row = find_general(name);
      if (row != nullptr && !written(*row)) set({}, *row, {}, std::string(value), name);
    }
    if (any_line("auth", "type", "\"hba\"") && !any_line("auth", "hba_file", {}))
      note({}, "auth_type = hba", "there is no auth_hba_file; pgweir does not start without one");
    complete_databases();
  }

  Imported result(const std::string& path) const {
    Imported all;
    all.notes = notes_;
    all.toml = "# From " + one_line(path) + " of PgBouncer.\n";
    if (!notes_.empty()) all.toml += "# Not carried over, or to be looked at:\n";
    for (const std::string& it : notes_) all.toml += "#   " + one_line(it) + "\n";
    for (const SettingsSection& section : settings_sections()) {
      for (const auto& [key, lines] : sections_) {
        if (key.first != section.name) continue;
        if (!section.name.empty()) {
          all.toml += "\n[" + std::string(section.name) +
                      (key.second.empty() ? "" : "." + toml_key(key.second)) + "]\n";
        }
        for (const auto& [name, text] : lines) all.toml += name + " = " + text + "\n";
      }
    }
    return all;
  }

 private:
  // A comment must end where it ends.
  static std::string one_line(std::string text) {
    for (char& c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || byte >= 0x7F) c = byte < 0x20 ? ' ' : '?';
    }
    return text;
  }

  void note(const std::string& where, Bytes what, Bytes why) {
    notes_.push_back((where.empty() ? "" : where + ": ") + std::string(what) + ": " + std::string(why));
  }

  std::map<std::string, std::string>& section_of(Bytes section, const std::string& entry) {
    return sections_[{std::string(section), entry}];
  }
  // Whether this was written, with this text unless that is empty.
  bool any_line(Bytes section, const std::string& name, Bytes text) {
    const auto& lines = section_of(section, {});
    const auto found = lines.find(name);
    return found != lines.end() && (text.empty() || found->second == text);
  }
  bool written(const Setting& row) { return section_of(row.section, {}).contains(std::string(row.name)); }

  void set(const std::string& where, const Setting& row, const std::string& entry, const std::string& text,
           Bytes name) {
    const SettingValue value = value_of(row, text);
    if (std::holds_alternative<std::monostate>(value) || !in_bounds(row, value)) {
      const std::string shown = row.secret ? "the value" : "\"" + text + "\"";
      return note(where, name,
                  shown + " cannot be said: " + full_name(row, entry) + " takes " + shape_text(row));
    }
    section_of(row.section, entry)[std::string(row.name)] = toml_text(row, value);
  }

  void general(const std::string& where, const std::string& name, const std::string& value) {
    if (name == "auth_file") return userlist(where, value);
    if (name == "auth_hba_file") return rules(where, value);
    if (name.ends_with("_tls_ca_file") || name.ends_with("_tls_key_file") || name.ends_with("_tls_cert_file"))
      return tls_file(where, name, value);
    if (name == "auth_type" && lower_ascii(value) != "md5" && lower_ascii(value) != "trust" &&
        lower_ascii(value) != "scram-sha-256" && lower_ascii(value) != "hba") {
      note(where, name,
           value + " is not known; md5 stands instead, which also lets users with a SCRAM verifier in");
      return set(where, *find_general(name), {}, "md5", name);
    }
    if (const Setting* const row = find_general(name)) return set(where, *row, {}, value, name);
    const NoEquivalent* const none = find_no_equivalent(name);
    note(where, name, none != nullptr ? none->instead : Bytes("this is no setting of PgBouncer 1.25"));
  }

  void tls_file(const std::string& where, const std::string& name, const std::string& value) {
    for (const std::string& path : {value, directory_ + value}) {
      if (read_(path)) return set(where, *find_general(name), {}, path, name);
    }
    note(where, name, "cannot read " + value + "; pgweir does not start without it");
    set(where, *find_general(name), {}, value, name);
  }

  // They stay where they are; what pgweir cannot keep it will refuse to start with.
  void rules(const std::string& where, const std::string& name) {
    for (const std::string& path : {name, directory_ + name}) {
      const auto text = read_(path);
      if (!text) continue;
      const auto parsed = parse_hba(*text);
      if (!parsed) {
        for (const HbaProblem& problem : parsed.error())
          note(path + ":" + std::to_string(problem.line), "auth_hba_file",
               problem.text + "; pgweir does not start with auth.type hba before this line is changed");
      }
      return set(where, *find_general("auth_hba_file"), {}, path, "auth_hba_file");
    }
    note(where, "auth_hba_file",
         "cannot read " + name + "; pgweir does not start with auth.type hba without it");
    set(where, *find_general("auth_hba_file"), {}, name, "auth_hba_file");
  }

  void userlist(const std::string& where, const std::string& name) {
    for (const std::string& path : {name, directory_ + name}) {
      const auto text = read_(path);
      if (!text) continue;
      const Userlist list = read_userlist(*text);
      for (const int line : list.bad_lines)
        note(path + ":" + std::to_string(line), "a user", "it is not \"name\" \"password\"");
      for (const UserlistEntry& user : list.users) {
        passwords_[user.name] = user.password;
        section_of("users", user.name);
        if (!user.password.empty())
          set(path, *find_setting("users", "password"), user.name, user.password, "password");
      }
      return;
    }
    note(where, "auth_file", "cannot read " + name + "; write [users.NAME] for each user");
  }

  void entry(const IniLine& line, Bytes section) {
    section_of(section, line.key);
    const auto fields = split_connect_string(line.value);
    if (!fields) return note(line.where, line.key, "this is not of the form key=value key=value");
    for (const auto& [key, value] : *fields) {
      const Bytes name = key == "reserve_pool" ? Bytes("reserve_pool_size") : Bytes(key);
      const NoEquivalent* const none = find_no_equivalent(name);
      if (const Setting* const row = find_setting(section, name)) {
        set(line.where, *row, line.key, value, key);
      } else {
        note(line.where, key, none != nullptr ? none->instead : Bytes("there is nothing like it"));
      }
    }
  }

  // What PgBouncer takes from elsewhere: the local socket, and the password of a forced user.
  void complete_databases() {
    bool any = false;
    for (auto& [key, lines] : sections_) {
      if (key.first != "databases") continue;
      any = true;
      if (!lines.contains("host"))
        lines["host"] = toml_text(*find_setting("databases", "host"),
                                  std::vector<std::string>{std::string(default_host)});
      const auto user = lines.find("user");
      if (user == lines.end() || lines.contains("password")) continue;
      for (const auto& [name, password] : passwords_) {
        const Setting& row = *find_setting("databases", "password");
        const bool plain = !password.starts_with("md5") && !password.starts_with("SCRAM-SHA-256$");
        if (toml_text(*find_setting("databases", "user"), name) == user->second && plain && !password.empty())
          lines["password"] = toml_text(row, password);
      }
    }
    if (!any) note({}, "[databases]", "there is none, so every name goes to the default host");
  }

  const FileReader& read_;
  std::string directory_;
  std::vector<std::string> notes_;
  // By section and entry.
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::string>> sections_;
  std::map<std::string, std::string> passwords_;
};

}  // namespace

tl::expected<Imported, std::string> import_pgbouncer(const std::string& path, const FileReader& read) {
  const Ini ini = read_ini(path, read);
  if (ini.lines.empty() && !ini.problems.empty()) return tl::unexpected(ini.problems.front());
  Importer importer(read);
  importer.add(ini, path);
  return importer.result(path);
}

}  // namespace pgweir
