#include "admin/settings_print.h"

#include <algorithm>

#include "admin/markdown.h"
#include "admin/settings_table.h"
#include "admin/settings_text.h"

namespace pgweir {
namespace {

constexpr std::size_t comment_width = 100;

std::string comment_lines(Bytes text, const std::string& prefix) {
  std::string result;
  while (!text.empty()) {
    std::size_t end = text.size();
    if (prefix.size() + end > comment_width) {
      end = text.rfind(' ', comment_width - prefix.size());
      if (end == Bytes::npos) end = std::min(text.find(' '), text.size());
    }
    result += prefix + std::string(text.substr(0, end)) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

Bytes kind_name(SettingKind kind) {
  switch (kind) {
    case SettingKind::boolean:
      return "boolean";
    case SettingKind::integer:
      return "integer";
    case SettingKind::file_mode:
      return "file mode";
    case SettingKind::duration:
      return "duration";
    case SettingKind::text:
      return "text";
    case SettingKind::text_list:
      return "list of texts";
    case SettingKind::texts:
      return "text or list";
    case SettingKind::integers:
      return "integer or list";
    case SettingKind::word:
      return "word";
  }
  return {};
}

// What a value may be, as short as it goes: "1 to 64 threads", "0 to 365d, 0 for no limit".
std::string allowed_text(const Setting& row) {
  switch (row.kind) {
    case SettingKind::boolean:
    case SettingKind::word:
      return shape_text(row);
    case SettingKind::integer:
    case SettingKind::integers:
    case SettingKind::file_mode:
    case SettingKind::duration:
      return bounds_text(row);
    case SettingKind::text:
      return row.zero_or_none.empty() ? "" : "empty for " + std::string(row.zero_or_none);
    case SettingKind::texts:
      return {};
    case SettingKind::text_list:
      return row.zero_or_none.empty() ? "" : "[] for " + std::string(row.zero_or_none);
  }
  return {};
}

std::string effect_text(const Setting& row) {
  return row.effect == TakesEffect::restart ? "restart" : "reload";
}

std::string inherited_name(const Setting& row) { return "pool." + std::string(row.inherits); }

// The facts under the documentation, in one line.
std::string facts(const Setting& row) {
  std::string text(kind_name(row.kind));
  if (const std::string allowed = allowed_text(row); !allowed.empty()) text += "; " + allowed;
  if (!row.inherits.empty()) text += "; if not set, " + inherited_name(row);
  if (row.effect == TakesEffect::restart) text += "; takes effect at a restart";
  return "(" + text + ")";
}

void print_setting(const Setting& row, std::string& out) {
  out += "\n" + comment_lines(row.doc, "# ") + comment_lines(facts(row), "# ");
  out += "#" + std::string(row.name) + " = " + toml_text(row, row.default_value) + "\n";
}

constexpr Bytes databases_example = R"(#
# For example:
#   [databases.shop]
#   host = "10.0.0.5"
#   pool_size = 30
#
#   [databases."*"]
#   host = ["10.0.0.6", "10.0.0.7"]
#   target_session_attrs = "primary"
)";

constexpr Bytes users_example = R"(#
# For example:
#   [users.alice]
#   password = "SCRAM-SHA-256$4096:..."   # as in pg_authid.rolpassword
)";

Bytes example_of(Bytes section) {
  if (section == "databases") return databases_example;
  if (section == "users") return users_example;
  return {};
}

void print_reference_row(const Setting& row, std::string& out) {
  const std::string standard = !row.inherits.empty() ? markdown_code(inherited_name(row))
                               : row.secret          ? "none"
                                                     : markdown_code(toml_text(row, row.default_value));
  out += "| " + markdown_code(row.name) + " | " + std::string(kind_name(row.kind)) + " | " + standard +
         " | " + markdown_cell(allowed_text(row)) + " | " + effect_text(row) + " | " + markdown_cell(row.doc);
  if (!row.pgbouncer.empty()) out += " In SHOW CONFIG: " + markdown_code(row.pgbouncer) + ".";
  out += " |\n";
}

}  // namespace

std::string print_default_config() {
  std::string out = comment_lines(
      "The configuration of pgweir, in TOML. Every setting stands here with its default; remove the # before "
      "a setting to change it. After a change, `pgweir --check-config` tells what is wrong, and SIGHUP or "
      "RELOAD in the console makes it effective. Durations are a whole number with a unit (us, ms, s, min, "
      "h, "
      "d); a bare number is seconds.",
      "# ");
  for (const SettingsSection& section : settings_sections()) {
    if (!section.name.empty()) {
      out += "\n\n" + comment_lines(section.doc, "# ") + std::string(example_of(section.name));
      const std::string name(section.name);
      out +=
          section.has_entries() ? "#[" + name + "." + std::string(section.entry) + "]\n" : "[" + name + "]\n";
    }
    for (const Setting& row : settings_table()) {
      if (row.section == section.name) print_setting(row, out);
    }
  }
  return out;
}

std::string settings_reference_markdown() {
  std::string out =
      "# Settings\n\n"
      "pgweir reads one TOML file, `pgweir --config FILE`. `pgweir --print-config` prints it with every "
      "setting and its default. This page is made from the same table as the loader.\n\n"
      "- A duration is a whole number with a unit (`us`, `ms`, `s`, `min`, `h`, `d`) as text, such as "
      "`\"120s\"`. A bare number is seconds.\n"
      "- *Reload*: SIGHUP, or RELOAD in the console, makes a change effective. *Restart*: only a new start "
      "does.\n"
      "- A setting that means what a PgBouncer setting means has its name.\n";
  for (const SettingsSection& section : settings_sections()) {
    const std::string name(section.name);
    out += name.empty() ? "\n## Top level\n\n"
                        : "\n## `[" + name + (section.has_entries() ? ".NAME" : "") + "]`\n\n";
    out += markdown_cell(section.doc) + "\n\n";
    out += "| setting | kind | default | allowed | effective after | meaning |\n|---|---|---|---|---|---|\n";
    for (const Setting& row : settings_table()) {
      if (row.section == section.name) print_reference_row(row, out);
    }
  }
  return out;
}

}  // namespace pgweir
