#include "admin/import/ini.h"

#include "admin/text_lines.h"

namespace pgweir {
namespace {

constexpr int deepest_include = 10;

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

class IniReader {
 public:
  IniReader(Ini& ini, const FileReader& read) : ini_(ini), read_(read) {}

  void file(const std::string& path, const std::string& text, int depth) {
    int number = 0;
    for (Bytes rest = text; !rest.empty();) {
      const Bytes line = trimmed(take_line(rest));
      const std::string where = path + ":" + std::to_string(++number);
      if (line.empty() || line[0] == ';' || line[0] == '#') continue;
      if (line.starts_with("%include")) {
        include(path, std::string(trimmed(line.substr(8))), where, depth);
      } else if (line[0] == '[' && line.back() == ']') {
        section_ = trimmed(line.substr(1, line.size() - 2));
      } else {
        entry(line, where);
      }
    }
  }

 private:
  void include(const std::string& from, const std::string& name, const std::string& where, int depth) {
    if (depth == deepest_include) return problem(where, "files include each other too deeply");
    // PgBouncer takes a relative name from its working directory, which may be another one now.
    for (const std::string& path : {name, directory_of(from) + name}) {
      if (const auto text = read_(path)) return file(path, *text, depth + 1);
    }
    problem(where, "cannot read the included file " + name);
  }

  void entry(Bytes line, const std::string& where) {
    std::string key;
    if (line[0] == '"') {
      auto quoted = take_quoted(line, '"');
      if (!quoted) return problem(where, "the name has no closing quote");
      key = std::move(*quoted);
      line = trimmed(line);
      if (!line.starts_with('=')) return problem(where, "there is no = behind the name");
    } else {
      const auto equal = line.find('=');
      if (equal == Bytes::npos) return problem(where, "this is neither a section nor key = value");
      key = trimmed(line.substr(0, equal));
      line.remove_prefix(equal);
    }
    ini_.lines.push_back({where, section_, key, std::string(trimmed(line.substr(1)))});
  }

  void problem(const std::string& where, const std::string& what) {
    ini_.problems.push_back(where + ": " + what);
  }

  Ini& ini_;
  const FileReader& read_;
  std::string section_;
};

}  // namespace

Ini read_ini(const std::string& path, const FileReader& read) {
  Ini ini;
  const auto text = read(path);
  if (!text) {
    ini.problems.push_back(path + ": cannot be read");
    return ini;
  }
  IniReader(ini, read).file(path, *text, 0);
  return ini;
}

std::optional<std::vector<std::pair<std::string, std::string>>> split_connect_string(Bytes text) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (text = trimmed(text); !text.empty(); text = trimmed(text)) {
    const auto equal = text.find('=');
    if (equal == Bytes::npos) return {};
    const std::string key(trimmed(text.substr(0, equal)));
    text = trimmed(text.substr(equal + 1));
    if (text.starts_with('\'')) {
      auto value = take_quoted(text, '\'');
      if (!value) return {};
      fields.emplace_back(key, std::move(*value));
    } else {
      const auto end = std::min(text.find_first_of(" \t"), text.size());
      fields.emplace_back(key, std::string(text.substr(0, end)));
      text.remove_prefix(end);
    }
  }
  return fields;
}

}  // namespace pgweir
