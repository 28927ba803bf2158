// What drivers send without being asked: answered as PostgreSQL would, so that they are content.

#include <algorithm>

#include "admin/command_table.h"
#include "admin/console_error.h"
#include "admin/console_parameters.h"
#include "admin/nearest.h"
#include "admin/no_equivalent.h"
#include "admin/settings_table.h"
#include "admin/show.h"

namespace pgweir {
namespace {

// SHOW TRANSACTION ISOLATION LEVEL and SHOW TIME ZONE are PostgreSQL's long forms of two parameters.
std::string parameter_name(std::span<const Token> words) {
  if (words.size() == 3 && words[0].is("transaction") && words[1].is("isolation") && words[2].is("level"))
    return "transaction_isolation";
  if (words.size() == 2 && words[0].is("time") && words[1].is("zone")) return "TimeZone";
  return words.size() == 1 ? words[0].text : std::string();
}

const ConsoleParameter* find_parameter(const std::string& name) {
  const Token token{Token::Kind::word, name};
  const auto* const found = std::find_if(console_parameters.begin(), console_parameters.end(),
                                         [&](const ConsoleParameter& it) { return token.is(it.name); });
  return found == console_parameters.end() ? nullptr : found;
}

void write_value(CommandCall& call, Bytes name, std::uint32_t oid, Bytes value) {
  const Column column{name, oid};
  const std::optional<Bytes> cell = value;
  write_row_description(call.out, std::span(&column, 1));
  write_data_row(call.out, std::span(&cell, 1));
}

ConsoleError no_sql() {
  return {sqlstate::feature_not_supported,
          "the console does not run SQL",
          {},
          "SHOW HELP lists its commands; SQL is for the other databases."};
}

}  // namespace

CommandOutcome show_parameter(CommandCall& call) {
  if (const ConsoleParameter* const parameter = find_parameter(parameter_name(call.arguments))) {
    write_value(call, parameter->name, type_oid::text, parameter->value);
    return {};
  }
  Statement statement{{Token::Kind::word, "SHOW"}};
  if (!call.arguments.empty()) statement.push_back(call.arguments[0]);
  return tl::unexpected(unknown_command(statement));
}

CommandOutcome select_value(CommandCall& call) {
  const auto words = call.arguments;
  if (words.size() == 1 && words[0].kind == Token::Kind::number && all_digits(words[0].text) &&
      words[0].text.size() <= 9) {
    write_value(call, "?column?", type_oid::int4, words[0].text);
    return {};
  }
  if (words.size() == 3 && words[0].is("version") && words[1].is_symbol('(') && words[2].is_symbol(')')) {
    write_value(call, "version", type_oid::text, console_version);
    return {};
  }
  // asyncpg's pool ends every use of a connection with it.
  constexpr Bytes unlock = "pg_advisory_unlock_all";
  if (words.size() == 3 && words[0].is(unlock) && words[1].is_symbol('(') && words[2].is_symbol(')')) {
    write_value(call, unlock, type_oid::text, "");
    return {};
  }
  return tl::unexpected(no_sql());
}

CommandOutcome set_parameter(CommandCall& call) {
  if (call.arguments.empty()) return failed(sqlstate::syntax_error, "SET needs a parameter");
  const std::string name = lower_ascii(call.arguments[0].text);
  const bool one_word =
      call.arguments.size() > 1 && (call.arguments[1].is_symbol('=') || call.arguments[1].is("TO"));
  if (!one_word || find_parameter(name) != nullptr) return {};
  if (const NoEquivalent* const none = find_no_equivalent(name))
    return failed(sqlstate::feature_not_supported,
                  "pgweir has no \"" + name + "\": " + std::string(none->instead));
  std::vector<Bytes> known;
  for (const Setting& row : settings_table()) {
    if (!row.per_database() && !row.per_user()) known.push_back(row.show_name());
  }
  if (const auto meant = nearest(name, known))
    return failed(sqlstate::undefined_object, "pgweir has no setting \"" + printable(name, 60) + "\"",
                  "Perhaps you meant " + std::string(*meant) + ". SHOW CONFIG lists them all.");
  write_notice_response(call.out,
                        {.message = "\"" + printable(name, 60) + "\" is no setting of pgweir: ignored"});
  return {};
}

CommandOutcome discard(CommandCall& call) {
  constexpr Bytes kinds[] = {"ALL", "PLANS", "SEQUENCES", "TEMP", "TEMPORARY"};
  for (const Bytes kind : kinds) {
    if (call.arguments.size() != 1 || !call.arguments[0].is(kind)) continue;
    call.tag = "DISCARD " + std::string(kind.substr(0, kind == "TEMPORARY" ? 4 : kind.size()));
    return {};
  }
  return tl::unexpected(ConsoleError{sqlstate::syntax_error, "DISCARD needs ALL, PLANS, SEQUENCES or TEMP"});
}

CommandOutcome close_cursor(CommandCall& call) {
  if (!call.arguments.empty() && call.arguments.back().is("ALL")) call.tag = "CLOSE CURSOR ALL";
  return {};
}

CommandOutcome deallocate(CommandCall& call) {
  if (!call.arguments.empty() && call.arguments.back().is("ALL")) call.tag = "DEALLOCATE ALL";
  return {};
}

}  // namespace pgweir
