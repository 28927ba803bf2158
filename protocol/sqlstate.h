#pragma once
// The SQLSTATEs that pgweir sends or acts on, named as in PostgreSQL's errcodes.txt.

#include "protocol/bytes.h"

namespace pgweir::sqlstate {

inline constexpr Bytes successful_completion = "00000";
inline constexpr Bytes warning = "01000";
inline constexpr Bytes sqlclient_unable_to_establish_sqlconnection = "08001";
inline constexpr Bytes connection_does_not_exist = "08003";
inline constexpr Bytes sqlserver_rejected_establishment_of_sqlconnection = "08004";
inline constexpr Bytes connection_failure = "08006";
inline constexpr Bytes protocol_violation = "08P01";
inline constexpr Bytes feature_not_supported = "0A000";
inline constexpr Bytes invalid_parameter_value = "22023";
inline constexpr Bytes active_sql_transaction = "25001";
inline constexpr Bytes no_active_sql_transaction = "25P01";
inline constexpr Bytes in_failed_sql_transaction = "25P02";
inline constexpr Bytes idle_in_transaction_session_timeout = "25P03";
inline constexpr Bytes invalid_sql_statement_name = "26000";
inline constexpr Bytes invalid_authorization_specification = "28000";
inline constexpr Bytes invalid_password = "28P01";
inline constexpr Bytes invalid_cursor_name = "34000";
inline constexpr Bytes invalid_catalog_name = "3D000";
inline constexpr Bytes insufficient_privilege = "42501";
inline constexpr Bytes syntax_error = "42601";
inline constexpr Bytes undefined_object = "42704";
inline constexpr Bytes duplicate_prepared_statement = "42P05";
inline constexpr Bytes insufficient_resources = "53000";
inline constexpr Bytes out_of_memory = "53200";
inline constexpr Bytes too_many_connections = "53300";
inline constexpr Bytes program_limit_exceeded = "54000";
inline constexpr Bytes object_not_in_prerequisite_state = "55000";
inline constexpr Bytes query_canceled = "57014";
inline constexpr Bytes admin_shutdown = "57P01";
inline constexpr Bytes crash_shutdown = "57P02";
inline constexpr Bytes cannot_connect_now = "57P03";
inline constexpr Bytes idle_session_timeout = "57P05";
inline constexpr Bytes internal_error = "XX000";

}  // namespace pgweir::sqlstate
