// The manual page of the package is what --help says.

#include <doctest/doctest.h>

#include "proxy/options.h"
#include "tests/support/generated.h"

using namespace pgweir;

namespace {

std::string help_of(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "pgweir");
  arguments.push_back("--help");
  const auto options = parse_options(static_cast<int>(arguments.size()), arguments.data());
  REQUIRE_FALSE(options);
  REQUIRE(options.error().status == 0);
  return options.error().text;
}

// As it stands, also where roff would read a command or a dash.
std::string verbatim(const std::string& text) {
  std::string roff = ".nf\n";
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) roff += "\\&";
    if (c == '\\') {
      roff += "\\e";
    } else if (c == '-') {
      roff += "\\-";
    } else {
      roff += c;
    }
    line_begins = c == '\n';
  }
  return roff + ".fi\n";
}

std::string manual_page() {
  return ".TH PGWEIR 8 \"\" \"pgweir " PGWEIR_VERSION
         "\" \"System Administration\"\n"
         ".SH NAME\n"
         "pgweir \\- transaction\\-pooling PostgreSQL proxy that measures and right\\-sizes its pools\n"
         ".SH DESCRIPTION\n" +
         verbatim(help_of({})) + ".SH \"PROFILE EXPORT\"\n" + verbatim(help_of({"profile", "export"})) +
         ".SH \"PROFILE SHOW\"\n" + verbatim(help_of({"profile", "show"})) + ".SH \"PROFILE ADVISE\"\n" +
         verbatim(help_of({"profile", "advise"})) +
         ".SH \"EXIT STATUS\"\n"
         "0 after an orderly end, 1 when something failed, 2 for a mistake in the command line or the "
         "configuration.\n"
         ".SH FILES\n"
         ".TP\n"
         ".I /etc/pgweir/pgweir.toml\n"
         "The configuration of the service. All settings, their defaults and what they mean are printed by\n"
         ".BR \"pgweir \\-\\-print\\-config\" .\n"
         ".SH \"SEE ALSO\"\n"
         ".BR psql (1),\n"
         ".BR systemctl (1)\n";
}

}  // namespace

TEST_CASE("the manual page is what --help says") {
  const std::string page = manual_page();
  CHECK(page.find("\\-\\-takeover") != std::string::npos);
  CHECK(committed("admin/deploy/pgweir.8", page) == page);
}
