#include "proxy/session/limits_question.h"

#include <charconv>

#include "protocol/backend.h"

namespace pgweir {

namespace {

std::optional<int> number_of(const std::optional<Bytes>& value) {
  int number = 0;
  if (!value) return std::nullopt;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc() || end != value->data() + value->size() || number < 0) return std::nullopt;
  return number;
}

}  // namespace

// Sessions of users whose details the role may not see have no backend_type; those that are no clients have
// no user or no database either, but for parallel workers, which are few.
constexpr Bytes limits_question =
    "SELECT pg_catalog.current_setting('max_connections'),"
    " pg_catalog.current_setting('superuser_reserved_connections'),"
    " pg_catalog.current_setting('reserved_connections', true),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE datid IS NOT NULL"
    " AND usesysid IS NOT NULL AND (backend_type IS NULL"
    " OR backend_type OPERATOR(pg_catalog.=) 'client backend'))";

std::optional<HostLimits> read_limits(Bytes data_row) {
  const auto values = read_data_row(data_row);
  if (!values || values->size() != 4) return std::nullopt;
  const auto most = number_of((*values)[0]), superuser = number_of((*values)[1]),
             clients = number_of((*values)[3]);
  if (!most || !superuser || !clients || *most == 0) return std::nullopt;
  HostLimits limits;
  limits.max_connections = *most;
  limits.superuser_reserved = *superuser;
  limits.reserved = number_of((*values)[2]).value_or(0);
  limits.clients = *clients;
  return limits;
}

}  // namespace pgweir
