#pragma once
// THE tables of what goes wrong: why a client is refused something, and why a connection ends. Error
// messages and log lines derive from them.

#include <array>
#include <cstdint>

#include "protocol/bytes.h"

namespace pgweir {

// Why a client gets an error from pgweir itself.
enum class Refusal : std::uint8_t {
  startup_malformed,
  protocol_violation,
  plaintext_after_request,
  encryption_required,
  login_timeout,
  password_wrong,
  hba_refused,
  console_denied,
  database_unknown,
  database_disabled,
  clients_full,
  descriptors_full,
  database_clients_full,
  user_clients_full,
  queue_full,
  wait_timeout,
  wait_canceled,
  wait_notified,
  query_timeout,
  transaction_timeout,
  idle_transaction_timeout,
  client_idle_timeout,
  server_login_failed,
  server_unreachable,
  server_lost,
  server_broken,
  parameter_refused,
  state_refused,
  too_many_statements,
  notify_overflow,
  transaction_refused,
  not_supported,
  killed,
  shutting_down,
};

struct RefusalRow {
  Refusal refusal;
  Bytes sqlstate;
  Bytes label;
  Bytes doc;
};

inline constexpr std::array refusals{
    RefusalRow{Refusal::startup_malformed, "08P01", "startup_malformed",
               "The first packet is not one that PostgreSQL knows."},
    RefusalRow{Refusal::protocol_violation, "08P01", "protocol_violation",
               "The client sent a message that the protocol does not allow."},
    RefusalRow{Refusal::plaintext_after_request, "08P01", "plaintext_after_request",
               "Bytes in clear came behind a request for encryption."},
    RefusalRow{Refusal::encryption_required, "28000", "encryption_required",
               "The client did not encrypt, and client_tls.sslmode says that it must."},
    RefusalRow{Refusal::login_timeout, "57014", "login_timeout",
               "The login took longer than client_login_timeout."},
    RefusalRow{Refusal::password_wrong, "28P01", "password_wrong",
               "The user is unknown or the password is wrong; which of the two is not told."},
    RefusalRow{Refusal::hba_refused, "28000", "hba_refused",
               "No rule of auth.hba_file fits the client, or the first that fits rejects it."},
    RefusalRow{Refusal::console_denied, "28000", "console_denied",
               "The user is in neither console.admin_users nor console.stats_users."},
    RefusalRow{Refusal::database_unknown, "3D000", "database_unknown",
               "No [databases] entry serves this name."},
    RefusalRow{Refusal::database_disabled, "55000", "database_disabled",
               "The operator has said DISABLE for the database."},
    RefusalRow{Refusal::clients_full, "53300", "clients_full", "max_client_conn clients are connected."},
    RefusalRow{Refusal::descriptors_full, "53300", "descriptors_full",
               "The process has hardly any file descriptors left (ulimit -n)."},
    RefusalRow{Refusal::database_clients_full, "53300", "database_clients_full",
               "max_db_client_connections clients of the database are connected."},
    RefusalRow{Refusal::user_clients_full, "53300", "user_clients_full",
               "max_user_client_connections clients of the user are connected."},
    RefusalRow{Refusal::queue_full, "53300", "queue_full",
               "max_queue clients of the pool wait for a server already."},
    RefusalRow{Refusal::wait_timeout, "53300", "wait_timeout",
               "No server became free within query_wait_timeout."},
    RefusalRow{Refusal::wait_canceled, "57014", "wait_canceled",
               "The client cancelled its statement while it waited for a server."},
    RefusalRow{Refusal::wait_notified, "00000", "wait_notified",
               "No error, but a NOTICE: the client has waited for a server for query_wait_notify."},
    RefusalRow{Refusal::query_timeout, "57014", "query_timeout", "A query ran longer than query_timeout."},
    RefusalRow{Refusal::transaction_timeout, "25P04", "transaction_timeout",
               "A transaction lasted longer than transaction_timeout."},
    RefusalRow{Refusal::idle_transaction_timeout, "25P03", "idle_transaction_timeout",
               "A client did nothing in an open transaction for idle_transaction_timeout."},
    RefusalRow{Refusal::client_idle_timeout, "57P05", "client_idle_timeout",
               "A client did nothing for client_idle_timeout."},
    RefusalRow{Refusal::server_login_failed, "08004", "server_login_failed",
               "The server refused the login; its own SQLSTATE is passed on when it gave one."},
    RefusalRow{Refusal::server_unreachable, "08001", "server_unreachable",
               "No connection to the server could be made."},
    RefusalRow{Refusal::server_lost, "08006", "server_lost",
               "The server connection broke while the client needed it."},
    RefusalRow{Refusal::server_broken, "08P01", "server_broken",
               "The server sent something that does not fit what was asked."},
    RefusalRow{Refusal::parameter_refused, "22023", "parameter_refused",
               "The server refused a value that the client set when it connected."},
    RefusalRow{Refusal::state_refused, "0A000", "state_refused",
               "The setting session_state refuses what the statement would leave in the session."},
    RefusalRow{Refusal::too_many_statements, "53400", "too_many_statements",
               "max_client_prepared_statements or max_client_prepared_memory is reached."},
    RefusalRow{Refusal::notify_overflow, "53400", "notify_overflow",
               "More notifications wait for the client than max_client_notify_memory allows."},
    RefusalRow{Refusal::transaction_refused, "0A000", "transaction_refused",
               "A transaction block in statement mode."},
    RefusalRow{Refusal::not_supported, "0A000", "not_supported", "pgweir does not do this."},
    RefusalRow{Refusal::killed, "57P01", "killed", "The operator has said KILL or KILL_CLIENT."},
    RefusalRow{Refusal::shutting_down, "57P01", "shutting_down", "pgweir is being shut down."},
};

constexpr const RefusalRow& row(Refusal refusal) { return refusals[static_cast<std::size_t>(refusal)]; }

// Why a server connection was closed by pgweir. Each is counted.
enum class CloseReason : std::uint8_t {
  lost,
  login_failed,
  idle_timeout,
  lifetime,
  yielded,
  settings_changed,
  role_unfit,
  role_changed,
  shutting_down,
  out_of_step,
  fatal_error,
  copy_uncertain,
  message_unfinished,
  abandon_timeout,
  abandon_failed,
  cancel_unsettled,
  cancel_ignored,
  parameter_refused,
  state_unknown,
  check_failed,
  client_left,
  ordered,
  killed,
  listener_lost,
  listener_idle,
};

struct CloseReasonRow {
  CloseReason reason;
  Bytes label;
  Bytes doc;
};

inline constexpr std::array close_reasons{
    CloseReasonRow{CloseReason::lost, "lost", "The server closed the connection, or it broke."},
    CloseReasonRow{CloseReason::login_failed, "login_failed",
                   "The login to the server failed or took too long."},
    CloseReasonRow{CloseReason::idle_timeout, "idle_timeout",
                   "Not used for server_idle_timeout, or aged while idle."},
    CloseReasonRow{CloseReason::lifetime, "lifetime", "Older than server_lifetime when it became free."},
    CloseReasonRow{CloseReason::yielded, "yielded",
                   "Its slot was needed by another pool of the same database or user."},
    CloseReasonRow{CloseReason::settings_changed, "settings_changed",
                   "A reload changed where or how its pool connects."},
    CloseReasonRow{CloseReason::role_unfit, "role_unfit",
                   "It had just logged in, and is not what target_session_attrs asks for."},
    CloseReasonRow{CloseReason::role_changed, "role_changed",
                   "It is not any more what target_session_attrs asks for, as after a failover."},
    CloseReasonRow{CloseReason::shutting_down, "shutting_down", "pgweir is being shut down."},
    CloseReasonRow{CloseReason::out_of_step, "out_of_step",
                   "It sent a message that answers nothing that was asked."},
    CloseReasonRow{CloseReason::fatal_error, "fatal_error", "It reported a fatal error."},
    CloseReasonRow{CloseReason::copy_uncertain, "copy_uncertain",
                   "After a failed COPY nobody can tell which Sync it will answer."},
    CloseReasonRow{CloseReason::message_unfinished, "message_unfinished",
                   "Its client left in the middle of a message."},
    CloseReasonRow{CloseReason::abandon_timeout, "abandon_timeout",
                   "It did not come to rest in time after its client had left."},
    CloseReasonRow{CloseReason::abandon_failed, "abandon_failed",
                   "The rollback after its client had left failed."},
    CloseReasonRow{CloseReason::cancel_unsettled, "cancel_unsettled",
                   "It is not known whether a cancel will still reach it."},
    CloseReasonRow{CloseReason::cancel_ignored, "cancel_ignored",
                   "A statement past query_timeout or transaction_timeout was cancelled and ran on."},
    CloseReasonRow{CloseReason::parameter_refused, "parameter_refused",
                   "It refused to take a client's parameters."},
    CloseReasonRow{CloseReason::state_unknown, "state_unknown",
                   "It did not tell what a client had left in its session."},
    CloseReasonRow{CloseReason::check_failed, "check_failed",
                   "server_check_query or server_reset_query failed, or was not answered."},
    CloseReasonRow{CloseReason::client_left, "client_left",
                   "It was opened for a replication connection, which is over."},
    CloseReasonRow{CloseReason::ordered, "ordered", "The operator has said PAUSE or RECONNECT."},
    CloseReasonRow{CloseReason::killed, "killed", "The operator has said KILL."},
    CloseReasonRow{CloseReason::listener_lost, "listener_lost",
                   "The listening connection of a database broke; notifications may be missing."},
    CloseReasonRow{CloseReason::listener_idle, "listener_idle",
                   "No client listens any more over this listening connection."},
};

constexpr const CloseReasonRow& row(CloseReason reason) {
  return close_reasons[static_cast<std::size_t>(reason)];
}

// The rows stand in the order of their enumerators.
static_assert([] {
  for (std::size_t i = 0; i < refusals.size(); ++i) {
    if (refusals[i].refusal != static_cast<Refusal>(i)) return false;
  }
  for (std::size_t i = 0; i < close_reasons.size(); ++i) {
    if (close_reasons[i].reason != static_cast<CloseReason>(i)) return false;
  }
  return true;
}());

}  // namespace pgweir
