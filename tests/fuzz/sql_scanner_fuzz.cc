// SQL text: whatever it is, the scanner reads it, what it says holds together, and the fast path and the
// recognisers agree with the lexer; texts that look the same to the fast search are of the same class.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "protocol/fingerprint.h"
#include "protocol/sql_commands.h"
#include "protocol/sql_lexer.h"
#include "protocol/sql_scanner.h"
#include "protocol/statement_classes.h"

namespace {

using namespace pgweir;

void check(bool holds) {
  if (!holds) std::abort();
}

void check_tokens(Bytes sql) {
  SqlLexer lexer(sql);
  const char* end = sql.data();
  for (SqlToken token = lexer.next(); token.kind != SqlToken::Kind::end; token = lexer.next()) {
    check(token.text.data() >= end && token.text.data() + token.text.size() <= sql.data() + sql.size());
    check(token.kind == SqlToken::Kind::string || token.kind == SqlToken::Kind::quoted ||
          !token.text.empty());
    end = token.text.data() + token.text.size();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // In memory of exactly its size, so that reading further is seen.
  const auto copy = std::make_unique<char[]>(size);
  for (std::size_t i = 0; i < size; ++i) copy[i] = static_cast<char>(data[i]);
  const Bytes sql(copy.get(), size);
  check_tokens(sql);

  const SqlEffects effects = scan_sql(sql);
  const SetParameters parameters = set_parameters(sql);
  check(effects.has(SqlEffect::set) == (parameters.others || !parameters.names.empty()));
  check(parameters.names.size() <= max_set_parameters);
  check(effects.has(SqlEffect::set_local) == (effects.local_sets() > 0));
  check(effects.local_sets() <= effects.statements());
  check(!effects.has(SqlEffect::opaque) || effects.has(SqlEffect::set));

  // An empty statement in front changes nothing but that the text takes the slow path.
  const SqlEffects slow = scan_sql(";" + std::string(sql));
  SqlEffects expected = effects;
  if (slow.has(SqlEffect::opaque)) {
    expected.add(SqlEffect::opaque);
    expected.add(SqlEffect::set);
    expected.add(SqlEffect::set_for_parser);
  }
  check(slow == expected);

  static StatementClasses classes({1, 2});
  const std::uint64_t statement = statement_class(sql);
  check(classes.of(sql) == statement);
  check(class_text(sql, 100).size() <= 100 + sizeof("…"));

  using Transaction = PlainTransaction;
  if (const auto transaction = plain_transaction(sql)) {
    check(effects.statements() == 1);
    check(effects.has(SqlEffect::begin) ==
          (*transaction == Transaction::begin || *transaction == Transaction::start));
    check(effects.has(SqlEffect::commit) == (*transaction == Transaction::commit));
    check(effects.has(SqlEffect::rollback) == (*transaction == Transaction::rollback));
  }
  const auto check_name = [&](const std::optional<std::string>& name, SqlEffect effect) {
    if (name) check(!name->empty() && name->size() <= 63 && effects.has(effect) && effects.statements() == 1);
  };
  check_name(deallocate_name(sql), SqlEffect::deallocate_one);
  check_name(prepare_name(sql), SqlEffect::prepare);
  check_name(execute_name(sql), SqlEffect::execute);
  if (const auto listen = listen_statement(sql)) {
    const bool listens = listen->kind == ListenStatement::Kind::listen;
    check(effects.has(listens ? SqlEffect::listen : SqlEffect::unlisten) && effects.statements() == 1);
    check(listen->channel.empty() == (listen->kind == ListenStatement::Kind::unlisten_all));
  }
  return 0;
}
