#include "admin/import/ini.h"

namespace pgweir {
namespace {

constexpr int deepest_include = 10;

Bytes trimmed(Bytes text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == Bytes::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

Bytes take_line(Bytes& text) {
  const auto end = std::min(text.find('\n'), text.size());
  const Bytes line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// What stands in quotes at the beginning, a doubled quote for one; it is taken away from `text`.
std::optional<std::string> take_quoted(Bytes& text, char quote) {
  if (!text.starts_with(quote)) return {};
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] != quote) {
      out += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == quote) {
      out += text[i++];
    } else {
      text.remove_prefix(i + 1);
      return out;
    }
  }
  return {};
}

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

Userlist read_userlist(Bytes text) {
  Userlist list;
  for (int number = 1; !text.empty(); ++number) {
    Bytes line = trimmed(take_line(text));
    if (line.empty() || line[0] == ';' || line[0] == '#') continue;
    auto name = take_quoted(line, '"');
    line = trimmed(line);
    auto password = take_quoted(line, '"');
    if (name && !name->empty() && password) {
      list.users.push_back({std::move(*name), std::move(*password), number});
    } else {
      list.bad_lines.push_back(number);
    }
  }
  return list;
}

}  // namespace pgweir
