#pragma once
// Settings in words: names, values, and what is allowed. Pure functions; any thread.

#include <cstdint>
#include <string>

#include "admin/setting.h"
#include "protocol/bytes.h"

namespace pgweir {

// "pool.min_pool_size"; for the row of an entry "databases.shop.host" (`databases."*".host`), or without a
// name of the entry "databases.NAME.host".
std::string full_name(const Setting& setting, Bytes entry = {});
// A string in quotes. What is not UTF-8 in it, the loader refuses.
std::string toml_string(Bytes text);
// A key as TOML wants it: in quotes only where it must be.
std::string toml_key(Bytes key);

// A file mode: "0770".
std::string octal_text(std::int64_t mode);
// The value as it stands in a file, secrets in clear. A value that is not set is the one it inherits by
// default.
std::string toml_text(const Setting& setting, const SettingValue& value);
// The value as people may see it: "***" for a secret, "unset" for an override that is not set.
std::string shown_text(const Setting& setting, const SettingValue& value);

// The kind and shape that the setting takes: `a duration such as "500ms" ...`.
std::string shape_text(const Setting& setting);
// The bounds: "1 to 64 threads", "0 to 365d, 0 for no limit". Empty for booleans and words.
std::string bounds_text(const Setting& setting);

}  // namespace pgweir
