#include "protocol/parameters.h"

#include <algorithm>
#include <array>

#include "protocol/bytes.h"

namespace pgweir {

namespace {

int compare_names(Bytes a, Bytes b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (lower_ascii(a[i]) != lower_ascii(b[i])) return lower_ascii(a[i]) < lower_ascii(b[i]) ? -1 : 1;
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

bool same_name(Bytes a, Bytes b) { return compare_names(a, b) == 0; }

// Parameters that every supported server reports and whose value is one word to SET (guc_tables.c).
constexpr std::array<Bytes, 8> scalars{"application_name",
                                       "client_encoding",
                                       "DateStyle",
                                       "default_transaction_read_only",
                                       "IntervalStyle",
                                       "session_authorization",
                                       "standard_conforming_strings",
                                       "TimeZone"};

bool plain(Bytes name, Bytes value) {
  const bool scalar =
      std::any_of(scalars.begin(), scalars.end(), [&](Bytes known) { return same_name(known, name); });
  return scalar && std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
}

}  // namespace

void Parameters::set(Bytes name, Bytes value) {
  const auto place =
      std::lower_bound(values_.begin(), values_.end(), name,
                       [](const Value& have, Bytes want) { return compare_names(have.first, want) < 0; });
  if (place != values_.end() && same_name(place->first, name)) {
    place->second = value;
  } else {
    values_.emplace(place, name, value);
  }
}

const std::string* Parameters::find(Bytes name) const {
  const auto place =
      std::lower_bound(values_.begin(), values_.end(), name,
                       [](const Value& have, Bytes want) { return compare_names(have.first, want) < 0; });
  return place != values_.end() && same_name(place->first, name) ? &place->second : nullptr;
}

SharedParameters ParameterCatalog::intern(Parameters parameters) {
  auto wanted = std::make_shared<const Parameters>(std::move(parameters));
  const auto [place, fresh] = sets_.insert(wanted);
  if (!fresh) return *place;
  if (sets_.size() > sweep_at_) {
    std::erase_if(sets_, [](const SharedParameters& set) { return set.use_count() == 1; });
    sweep_at_ = std::max<std::size_t>(64, sets_.size() * 2);
  }
  return wanted;
}

SharedParameters ParameterCatalog::with(const SharedParameters& base, Bytes name, Bytes value) {
  const std::string* const present = base->find(name);
  if (present != nullptr && *present == value) return base;
  Parameters changed = *base;
  changed.set(name, value);
  return intern(std::move(changed));
}

bool matters_to_parser(Bytes name) {
  static constexpr std::array<Bytes, 11> read{"array_nulls",
                                              "backslash_quote",
                                              "client_encoding",
                                              "DateStyle",
                                              "IntervalStyle",
                                              "lc_monetary",
                                              "TimeZone",
                                              "timezone_abbreviations",
                                              "standard_conforming_strings",
                                              "transform_null_equals",
                                              "xmloption"};
  return std::any_of(read.begin(), read.end(), [&](Bytes it) { return same_name(it, name); });
}

bool is_settable(Bytes name) {
  for (const Bytes fact :
       {"in_hot_standby", "integer_datetimes", "is_superuser", "server_encoding", "server_version"}) {
    if (same_name(name, fact)) return false;
  }
  return true;
}

std::vector<Parameters::Value> difference(const Parameters& wanted, const Parameters& present) {
  std::vector<Parameters::Value> values;
  for (const auto& [name, value] : wanted.values()) {
    const std::string* const have = present.find(name);
    if (have != nullptr && *have != value && is_settable(name)) values.emplace_back(name, value);
  }
  return values;
}

std::string set_messages(const std::vector<Parameters::Value>& values, std::string& types) {
  Writer out;
  std::string sql;
  for (const auto& [name, value] : values) {
    if (!plain(name, value)) continue;
    sql += "SET " + name + "=E'";
    for (char c : value) {
      if (c == '\'' || c == '\\') sql += c;
      sql += c;
    }
    sql += "';";
  }
  if (!sql.empty()) {
    out.begin('Q').cstring(sql).end();
    types += 'Q';
  }
  bool bound = false;
  for (const auto& [name, value] : values) {
    if (plain(name, value)) continue;
    constexpr std::uint32_t text_oid = 25;
    out.begin('P')
        .cstring("")
        .cstring("SELECT pg_catalog.set_config($1,$2,false)")
        .u16(2)
        .u32(text_oid)
        .u32(text_oid)
        .end();
    out.begin('B').cstring("").cstring("").u16(0).u16(2);
    out.u32(static_cast<std::uint32_t>(name.size())).bytes(name);
    out.u32(static_cast<std::uint32_t>(value.size())).bytes(value).u16(0).end();
    out.begin('E').cstring("").u32(0).end();
    types += "PBE";
    bound = true;
  }
  if (bound) {
    out.begin('S').end();
    types += 'S';
  }
  return out.take();
}

}  // namespace pgweir
