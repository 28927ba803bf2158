#pragma once
// The settings table for people: the whole default configuration, and the reference. admin/deploy/pgweir.toml
// and admin/docs/settings.md are these texts; a test compares them. Pure; any thread.

#include <string>

namespace pgweir {

// TOML. Every setting stands there as `#name = default` with its documentation above; lines that are only
// text begin with "# ". It loads as it is, and with the `#` before settings and sections removed.
std::string print_default_config();

// Markdown: a table for each section.
std::string settings_reference_markdown();

}  // namespace pgweir
