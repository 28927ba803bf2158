#include "admin/settings_diff.h"

#include <map>
#include <utility>

#include "admin/settings_table.h"
#include "admin/settings_text.h"

namespace pgweir {
namespace {

class Differ {
 public:
  // Rows whose owner is of this type. `entry`: the name of the database or user.
  template <class Owner>
  void compare(Bytes entry, const Owner& old, const Owner& now) {
    for (const Setting& row : settings_table()) {
      if (!std::holds_alternative<FieldAccess<Owner>>(row.access)) continue;
      const SettingValue before = row.get(old), after = row.get(now);
      if (before == after) continue;
      changes_.push_back({full_name(row, entry), shown_text(row, before), shown_text(row, after),
                          row.effect == TakesEffect::restart});
    }
  }

  template <class Entry>
  void compare_entries(const std::string& section, const std::map<std::string, Entry>& old,
                       const std::map<std::string, Entry>& now) {
    for (const auto& [name, entry] : old) {
      const auto other = now.find(name);
      if (other == now.end()) {
        changes_.push_back({section + "." + toml_key(name), "present", "absent"});
      } else {
        compare(name, entry, other->second);
      }
    }
    for (const auto& [name, entry] : now) {
      if (!old.contains(name)) changes_.push_back({section + "." + toml_key(name), "absent", "present"});
    }
  }

  // The file may have changed while its name did not.
  void compare_rules(const std::vector<HbaRule>& old, const std::vector<HbaRule>& now) {
    if (old == now) return;
    const auto said = [](const std::vector<HbaRule>& rules) {
      return std::to_string(rules.size()) + " rules";
    };
    changes_.push_back({"rules of auth.hba_file", said(old), said(now) + " with changes"});
  }

  std::vector<SettingChange> take() { return std::move(changes_); }

 private:
  std::vector<SettingChange> changes_;
};

}  // namespace

std::vector<SettingChange> difference(const Settings& old, const Settings& now) {
  Differ differ;
  differ.compare({}, old, now);
  differ.compare_rules(old.auth.hba, now.auth.hba);
  differ.compare_entries("databases", old.databases, now.databases);
  differ.compare_entries("users", old.users, now.users);
  return differ.take();
}

Settings merge_reloadable(const Settings& running, const Settings& loaded) {
  Settings merged = loaded;
  for (const Setting& row : settings_table()) {
    if (row.effect == TakesEffect::restart) row.set(merged, row.get(running));
  }
  return merged;
}

}  // namespace pgweir
