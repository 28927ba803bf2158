#include "admin/settings_load.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "admin/duration.h"
#include "admin/nearest.h"
#include "admin/settings_check.h"
#include "admin/settings_table.h"
#include "admin/settings_text.h"

// The compiled library throws; as headers the parser gives its errors as values, and the fuzzer sees into it.
// toml++ 3.3 asserts, or has the compiler assume, that a key follows `[`, before it checks just that (fixed
// by its pull request 301), so here its assertions are neither checked nor assumed.
#undef NDEBUG
#define TOML_ASSERT(condition) static_assert(true)
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 8
#include <toml++/toml.h>

namespace pgweir {
namespace {

// Dots make tables in tables, which toml++ destroys by recursion, and it has no limit of its own for them.
constexpr int most_dots_in_a_line = 128;
constexpr std::size_t most_errors = 200;
constexpr std::size_t longest_entry_name = 127;
constexpr std::size_t shown_bytes = 60;

int line_of(const toml::source_region& source) { return static_cast<int>(source.begin.line); }

// 0: no line has too many.
int line_with_too_many_dots(Bytes text) {
  int line = 1, dots = 0;
  bool comment = false, blank = true;
  for (const char c : text) {
    if (c == '\n') {
      ++line;
      dots = 0;
      comment = false;
      blank = true;
      continue;
    }
    if (blank && c == '#') comment = true;
    if (c != ' ' && c != '\t') blank = false;
    if (c == '.' && !comment && ++dots > most_dots_in_a_line) return line;
  }
  return 0;
}

// The number-th line, from 1.
Bytes line_at(Bytes text, int number) {
  for (; number > 1; --number) {
    const auto end = text.find('\n');
    if (end == Bytes::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

std::string article_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::none:
      return "nothing";
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "a boolean";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      return "a date or time";
  }
  return {};
}

std::string shown(const std::string& text) { return "\"" + printable(text, shown_bytes) + "\""; }

std::string found_text(const Setting& row, const toml::node& node) {
  if (row.secret) return node.is_string() ? "a text that is not allowed" : article_of(node);
  if (const auto* text = node.as_string()) return shown(text->get());
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  return article_of(node);
}

std::optional<std::int64_t> parse_octal(Bytes text) {
  if (text.size() < 3 || text.size() > 4) return std::nullopt;
  std::int64_t mode = 0;
  for (const char c : text) {
    if (c < '0' || c > '7') return std::nullopt;
    mode = mode * 8 + (c - '0');
  }
  return mode;
}

std::optional<SettingValue> duration_from(const toml::node& node) {
  // Through the parser, which knows what would not fit.
  const auto* const seconds = node.as_integer();
  const auto* const text = node.as_string();
  if (!seconds && !text) return std::nullopt;
  return parse_duration(seconds ? std::to_string(seconds->get()) : text->get());
}

std::optional<SettingValue> list_from(const toml::node& node) {
  const auto* const array = node.as_array();
  if (!array) return std::nullopt;
  std::vector<std::string> texts;
  for (const toml::node& item : *array) {
    const auto* const text = item.as_string();
    if (!text) return std::nullopt;
    texts.push_back(text->get());
  }
  return texts;
}

// Nothing if the node is not of the row's kind. Bounds are not looked at.
std::optional<SettingValue> value_from(const Setting& row, const toml::node& node) {
  switch (row.kind) {
    case SettingKind::boolean:
      if (const auto* truth = node.as_boolean()) return truth->get();
      break;
    case SettingKind::integer:
      if (const auto* number = node.as_integer()) return number->get();
      break;
    case SettingKind::file_mode:
      if (const auto* text = node.as_string()) return parse_octal(text->get());
      break;
    case SettingKind::duration:
      return duration_from(node);
    case SettingKind::text:
    case SettingKind::word:
      if (const auto* text = node.as_string()) return text->get();
      break;
    case SettingKind::text_list:
      return list_from(node);
  }
  return std::nullopt;
}

std::string did_you_mean(const std::optional<std::string>& name) {
  return name ? "; did you mean " + *name + "?" : "";
}

// The setting that somebody probably meant who wrote `name` into `section`.
std::optional<std::string> meant_setting(Bytes section, Bytes name) {
  std::vector<Bytes> names;
  for (const Setting& row : settings_table()) {
    if (row.section == section) names.push_back(row.name);
  }
  if (const auto near = nearest(name, names)) return std::string(*near);
  // The right name in the wrong place, or PgBouncer's name.
  for (const Setting& row : settings_table()) {
    if (row.name == name || row.show_name() == name) return full_name(row);
  }
  return std::nullopt;
}

std::optional<std::string> meant_section(Bytes name) {
  std::vector<Bytes> names;
  for (const SettingsSection& section : settings_sections()) {
    if (!section.name.empty()) names.push_back(section.name);
  }
  const auto near = nearest(name, names);
  return near ? std::optional<std::string>(*near) : std::nullopt;
}

class Loader {
 public:
  explicit Loader(std::string file) : file_(std::move(file)), settings_(settings_by_default()) {}

  tl::expected<LoadedSettings, SettingErrors> load(Bytes text) {
    read(text);
    if (errors_.empty()) check();
    if (!errors_.empty()) {
      std::stable_sort(errors_.begin(), errors_.end(),
                       [](const SettingError& a, const SettingError& b) { return a.line < b.line; });
      if (dropped_ > 0) {
        errors_.push_back({file_, 0, {}, "and " + std::to_string(dropped_) + " more problems"});
      }
      return tl::unexpected(std::move(errors_));
    }
    return LoadedSettings{std::move(settings_), std::move(warnings_)};
  }

 private:
  void error(int line, std::string setting, std::string problem) {
    if (errors_.size() == most_errors) {
      ++dropped_;
      return;
    }
    errors_.push_back({file_, line, std::move(setting), std::move(problem)});
  }

  void read(Bytes text) {
    if (text.size() > longest_settings_file) {
      return error(0, {}, "longer than " + format_size(std::int64_t{longest_settings_file}));
    }
    if (const int line = line_with_too_many_dots(text)) {
      return error(line, {}, "more than " + std::to_string(most_dots_in_a_line) + " dots in one line");
    }
    const toml::parse_result parsed = toml::parse(text);
    if (parsed.succeeded()) return read_top(parsed.table());
    const int line = line_of(parsed.error().source());
    // The parser quotes what it does not understand, and that may be a password, even where the name
    // of the setting has a slip.
    const bool secret = line_at(text, line).find("pas") != Bytes::npos;
    error(line, {}, "not TOML" + (secret ? "" : ": " + printable(parsed.error().description(), 300)));
  }

  void read_top(const toml::table& top) {
    for (const auto& [key, node] : top) {
      const SettingsSection* const section = key.empty() ? nullptr : find_section(key.str());
      const toml::table* const table = node.as_table();
      if (section && table) {
        section->has_entries() ? read_entries(*section, *table) : read_section(*section, *table);
      } else if (section) {
        error(line_of(key.source()), std::string(key.str()),
              "found " + article_of(node) + ", allowed is a section, [" + std::string(key.str()) +
                  (section->has_entries() ? ".NAME]" : "]"));
      } else if (const Setting* row = find_setting("", key.str())) {
        read_setting(*row, {}, key, node, settings_);
      } else if (table || node.is_array_of_tables()) {
        error(line_of(key.source()), shown_key(key),
              "no such section" + did_you_mean(meant_section(key.str())));
      } else {
        unknown(find_section("")->name, {}, key, node);
      }
    }
  }

  void read_section(const SettingsSection& section, const toml::table& table) {
    for (const auto& [key, node] : table) {
      if (const Setting* row = find_setting(section.name, key.str())) {
        read_setting(*row, {}, key, node, settings_);
      } else {
        unknown(section.name, {}, key, node);
      }
    }
  }

  void read_entries(const SettingsSection& section, const toml::table& table) {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      const toml::table* const entry = node.as_table();
      const std::string place = std::string(section.name) + "." + shown_key(key);
      if (!entry) {
        error(
            line_of(key.source()), place,
            "found " + article_of(node) + ", allowed is a section, [" + std::string(section.name) + ".NAME]");
      } else if (name.empty() || name.size() > longest_entry_name || name.find('\0') != std::string::npos) {
        error(line_of(key.source()), place,
              "allowed is a name of 1 to " + std::to_string(longest_entry_name) + " bytes");
      } else if (section.name == "databases") {
        read_entry(section, key, *entry, settings_.databases[name] = database_by_default(name));
      } else {
        read_entry(section, key, *entry, settings_.users[name] = user_by_default(name));
      }
    }
  }

  template <class Entry>
  void read_entry(const SettingsSection& section, const toml::key& name, const toml::table& table,
                  Entry& entry) {
    for (const auto& [key, node] : table) {
      if (const Setting* row = find_setting(section.name, key.str())) {
        read_setting(*row, name.str(), key, node, entry);
      } else {
        unknown(section.name, name.str(), key, node);
      }
    }
  }

  template <class Owner>
  void read_setting(const Setting& row, Bytes entry, const toml::key& key, const toml::node& node,
                    Owner& owner) {
    const std::string name = full_name(row, entry);
    const int line = line_of(key.source());
    lines_.emplace(name, line);
    const auto value = value_from(row, node);
    if (value && in_bounds(row, *value)) return row.set(owner, *value);

    // A number that is out of bounds needs to hear these; anything else, what it should look like.
    const bool out_of_range =
        value && (row.kind == SettingKind::integer || row.kind == SettingKind::duration);
    std::string problem = "found " + found_text(row, node) + ", allowed is " +
                          (out_of_range ? bounds_text(row) : shape_text(row));
    if (value && row.kind == SettingKind::word) {
      const auto near = nearest(std::get<std::string>(*value), row.words);
      if (near) problem += did_you_mean("\"" + std::string(*near) + "\"");
    }
    error(line, name, std::move(problem));
  }

  // A key as it may be printed.
  static std::string shown_key(const toml::key& key) { return printable(toml_key(key.str()), shown_bytes); }

  void unknown(Bytes section, Bytes entry, const toml::key& key, const toml::node& node) {
    std::string place(section);
    if (!place.empty()) place += '.';
    if (!entry.empty()) place += printable(toml_key(entry), shown_bytes) + ".";
    std::string problem = "no such setting";
    if (const auto meant = meant_setting(section, key.str())) {
      problem += did_you_mean(meant);
    } else if (!entry.empty() && node.is_table()) {
      problem += "; a name with a dot needs quotes: [" + std::string(section) + ".\"" +
                 printable(entry, shown_bytes) + "." + printable(key.str(), shown_bytes) + "\"]";
    }
    error(line_of(key.source()), place + shown_key(key), std::move(problem));
  }

  void check() {
    if (settings_.databases.empty()) settings_.databases["*"] = database_by_default("*");
    for (SettingsFinding& finding : check_settings(settings_)) {
      const auto line = lines_.find(finding.setting);
      const int number = line == lines_.end() ? 0 : line->second;
      if (finding.fatal) {
        error(number, std::move(finding.setting), std::move(finding.text));
      } else {
        warnings_.push_back(
            SettingError{file_, number, std::move(finding.setting), std::move(finding.text)}.text());
      }
    }
  }

  std::string file_;
  Settings settings_;
  SettingErrors errors_;
  std::size_t dropped_ = 0;
  std::vector<std::string> warnings_;
  std::map<std::string, int> lines_;  // where each setting stands, by full name
};

// ---- files ----

class File {
 public:
  explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// The whole text, or one byte more than is allowed; nothing with errno set if it cannot be read.
std::optional<std::string> read_all(int fd) {
  std::string text;
  std::array<char, 65536> buffer;
  while (text.size() <= longest_settings_file) {
    const ssize_t got =
        ::read(fd, buffer.data(), std::min(buffer.size(), longest_settings_file + 1 - text.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

bool has_password(const Settings& settings) {
  const auto in = [](const auto& entries) {
    return std::any_of(entries.begin(), entries.end(),
                       [](const auto& entry) { return !entry.second.password.empty(); });
  };
  return in(settings.databases) || in(settings.users);
}

}  // namespace

std::string SettingError::text() const {
  std::string text = file;
  if (line > 0) text += ":" + std::to_string(line);
  if (!setting.empty()) text += ": " + setting;
  return text + ": " + problem;
}

tl::expected<LoadedSettings, SettingErrors> load_settings_text(Bytes toml, const std::string& file_name) {
  return Loader(file_name).load(toml);
}

tl::expected<LoadedSettings, SettingErrors> load_settings_file(const std::string& path) {
  const File file(path);
  struct stat status {};
  std::optional<std::string> text;
  if (file.fd() >= 0 && ::fstat(file.fd(), &status) == 0) text = read_all(file.fd());
  if (!text) {
    return tl::unexpected(
        SettingErrors{{path, 0, {}, "cannot be read: " + std::generic_category().message(errno)}});
  }
  auto loaded = load_settings_text(*text, path);
  if (loaded && S_ISREG(status.st_mode) && (status.st_mode & (S_IROTH | S_IWOTH)) != 0 &&
      has_password(loaded->settings)) {
    loaded->warnings.push_back(
        path + ": holds passwords, and every user of this machine has access to it; chmod 0640 it");
  }
  return loaded;
}

}  // namespace pgweir
