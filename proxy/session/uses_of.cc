#include "proxy/session/uses_of.h"

#include <optional>

#include "protocol/frontend.h"
#include "protocol/message.h"
#include "protocol/sql_scanner.h"

namespace pgweir {

namespace {

StateKinds kinds_of(const SqlEffects& effects) {
  using E = SqlEffect;
  StateKinds kinds;
  if (effects.has(E::set)) kinds.add(StateKind::setting);
  if (effects.has(E::listen)) kinds.add(StateKind::listen);
  if (effects.has(E::temp_table)) kinds.add(StateKind::temp_table);
  if (effects.has(E::hold_cursor)) kinds.add(StateKind::hold_cursor);
  if (effects.has(E::advisory_lock)) kinds.add(StateKind::advisory_lock);
  if (effects.has(E::prepare)) kinds.add(StateKind::prepared);
  return kinds;
}

}  // namespace

SessionUses uses_of(const Piece& message) {
  SessionUses uses;
  const Bytes body = message.raw.substr(header_length);
  std::optional<Bytes> sql;
  if (!message.last) {
    // Too large.
  } else if (message.type == 'Q') {
    sql = read_query(body);
  } else if (const auto head = read_parse_head(body)) {
    uses.named_statement = !head->statement.empty();
    sql = head->rest.substr(0, head->rest.find('\0'));
  }
  if (!sql) {
    uses.unread = true;
    return uses;
  }
  const SqlEffects effects = scan_sql(*sql);
  uses.unread = effects.has(SqlEffect::opaque);
  uses.state = kinds_of(effects);
  // Whatever cannot be read comes with it.
  if (uses.unread) uses.state.remove(StateKind::setting);
  return uses;
}

}  // namespace pgweir
