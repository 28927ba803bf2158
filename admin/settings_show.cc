#include "admin/settings_show.h"

#include <algorithm>

#include "admin/duration.h"
#include "admin/settings_table.h"
#include "admin/settings_text.h"

namespace pgweir {
namespace {

std::string as_pgbouncer(const SettingValue& value, SettingKind kind) {
  struct Printer {
    SettingKind row_kind;
    std::string operator()(std::monostate) const { return {}; }
    std::string operator()(bool yes) const { return yes ? "1" : "0"; }
    std::string operator()(std::int64_t number) const {
      return row_kind == SettingKind::file_mode ? octal_text(number) : std::to_string(number);
    }
    std::string operator()(Duration span) const { return format_seconds(span); }
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(const std::vector<std::string>& list) const {
      std::string all;
      for (const std::string& item : list) all += (all.empty() ? "" : ",") + item;
      return all;
    }
    std::string operator()(const std::vector<std::int64_t>& list) const {
      std::string all;
      for (const std::int64_t item : list) all += (all.empty() ? "" : ",") + std::to_string(item);
      return all;
    }
  };
  return std::visit(Printer{kind}, value);
}

}  // namespace

std::vector<ConfigRow> config_rows(const Settings& settings) {
  std::vector<ConfigRow> rows;
  for (const Setting& row : settings_table()) {
    if (row.secret || row.per_database() || row.per_user()) continue;
    rows.push_back({std::string(row.show_name()), as_pgbouncer(row.get(settings), row.kind),
                    as_pgbouncer(row.default_value, row.kind), row.effect == TakesEffect::reload});
  }
  for (const auto& [route, size] : settings.applied_sizes) {
    rows.push_back({"applied pool_size of " + route.database + "/" + route.user, std::to_string(size),
                    std::to_string(settings.configured_size(route.database, route.user)), true});
  }
  std::sort(rows.begin(), rows.end(), [](const ConfigRow& a, const ConfigRow& b) { return a.key < b.key; });
  return rows;
}

}  // namespace pgweir
