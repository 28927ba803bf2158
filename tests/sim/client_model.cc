#include "tests/sim/client_model.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "protocol/reader.h"

namespace pgweir::sim {

namespace {

constexpr Bytes user_cancel = "canceling statement due to user request";
// How late a statement that is past its time may end: a cancel may come before the statement does, and is
// repeated.
constexpr Duration limit_slack = std::chrono::milliseconds(700);

std::vector<std::string> row_values(const Message& message) {
  Reader in(message.body);
  std::vector<std::string> values;
  for (int count = in.u16(); count > 0 && in.ok(); --count) {
    const std::int32_t size = in.i32();
    values.emplace_back(size > 0 ? in.bytes(static_cast<std::size_t>(size)) : Bytes());
  }
  return values;
}

}  // namespace

std::string describe(const Message& message) {
  std::string text(1, message.type);
  text += " (" + std::to_string(message.body.size()) + " bytes) ";
  if (message.type == 'D') {
    for (const std::string& value : row_values(message)) text += printable(value, 30) + "|";
    return text;
  }
  return text + printable(message.body, 120);
}

ClientModel::ClientModel(Checks& checks, const ClientRules& rules, int client, std::string database,
                         const ToySettings& settings)
    : checks_(checks),
      rules_(rules),
      client_(client),
      database_(std::move(database)),
      session_(settings, "?") {
  session_.report_all();
  session_.take_output();
  if (rules_.direct) return;
  // Behind the proxy, RESET goes back to what the server connection began with, until the transaction ends.
  ToySettings server = default_settings();
  server["session_authorization"] = settings.at("session_authorization");
  session_.behind_proxy(server);
}

bool ClientModel::wrong(std::string reason) {
  why_ = std::move(reason);
  return false;
}

bool ClientModel::received(const Message& message) {
  if (message.type == 'S') {
    Reader in(message.body);
    const std::string name(in.cstring());
    told_[name] = in.cstring();
    return true;
  }
  if (doomed_) {
    if (message.type == 'E' || message.type == 'Z' || message.type == 'N') return true;
    return wrong("after its server was lost the client got " + describe(message));
  }
  if (message.type == 'A') return received_notification(message);
  const std::string code = message.type == 'E' ? error_field(message.body, 'C') : "";
  if (message.type == 'E' && error_field(message.body, 'V') == "FATAL" && ended_by_limit(code)) {
    ++checks_.counts.limit_ends;
    return doomed_ = true;
  }
  if (message.type == 'N' && error_field(message.body, 'M').starts_with("no server is free")) {
    const bool right = rules_.wait_notify > Duration::zero() && !answered();
    return right || wrong("a client that waits for nothing was told that no server is free");
  }
  if (expected_.empty()) advance(message);
  if (expected_.empty()) return unexpected(message);
  if (!match(expected_.front(), message)) return false;
  if (doomed_) return true;
  if (message.type == 'G') copy_started_ = true;
  expected_.pop_front();
  error_instead_ = false;
  return true;
}

bool ClientModel::answered() {
  while (session_.next_is_silent()) session_.step();
  return expected_.empty() && !session_.has_input() && !session_.copying_in();
}

// Runs the session until it expects a message, which may depend on the one that came.
void ClientModel::advance(const Message& message) {
  const std::string code = message.type == 'E' ? error_field(message.body, 'C') : "";
  const bool fatal = message.type == 'E' && error_field(message.body, 'V') == "FATAL";
  const bool canceled = code == "57014" && checks_.cancel_pending(client_) &&
                        !error_field(message.body, 'M').starts_with("COPY from stdin failed");
  // A commit after the limit: the transaction had been rolled back before.
  if (message.type == 'C' && rules_.transaction > Duration::zero() && session_.status() == 'T' &&
      message.body.starts_with("ROLLBACK"))
    session_.fail_block(false);
  // A transaction that may have been cut has no server, and what is said in it has to wait for one.
  const bool cut =
      message.type == 'E' && !fatal && rules_.transaction > Duration::zero() && session_.status() != 'I';
  const bool limited = message.type == 'E' && past_limit(code, error_field(message.body, 'M'));
  if (limited) ++checks_.counts.limits;
  while (expected_.empty()) {
    while (session_.next_is_silent()) session_.step();
    if (limited && session_.copying_in()) {
      session_.interrupt(code, user_cancel);
      return collect(true);
    }
    // Instead of what the transaction was to do next.
    const bool waited = cut && refusable(code);
    if (((limited && code == "25P04") || waited) && session_.has_input() && !session_.skipping() &&
        !session_.in_query()) {
      session_.refuse_next(code);
      return collect(true);
    }
    if (canceled && session_.copying_in()) {
      session_.interrupt(code, user_cancel);
      return collect(true);
    }
    if (message.type == 'E' && !fatal && session_.at_transaction_start() && (canceled || refusable(code))) {
      ++checks_.counts.refusals;
      session_.refuse_next(code);
      return collect(true);
    }
    // A known difference: the proxy knows of nothing but the end of a transaction that it has refused.
    if (code == "25P02" && session_.refused_early()) {
      session_.refuse_next(code);
      return collect(true);
    }
    if (!session_.step()) return;
    if (session_.sleeping() && (canceled || limited)) {
      session_.interrupt(code, user_cancel);
      return collect(true);
    }
    if (session_.sleeping()) {
      if (rules_.limits_on_time && rules_.query > Duration::zero() &&
          session_.sleep() > rules_.query + limit_slack) {
        why_ = "I11: a statement was not ended by query_timeout";
        return;
      }
      session_.wake();
    }
    collect(false);
  }
}

void ClientModel::collect(bool error_instead) {
  error_instead_ = error_instead;
  for (Message& message : session_.take_output()) {
    if (message.type != 'S') expected_.push_back(std::move(message));
  }
}

// Whether the proxy may say this to a client that waits for a server.
bool ClientModel::refusable(const std::string& code) const {
  if (rules_.direct) return false;
  if (rules_.waits_end && code == "53300") return true;
  return rules_.servers_fail && (code.starts_with("08") || code.starts_with("57P") || code == "53300");
}

// Whether the limit may close the connection now.
bool ClientModel::ended_by_limit(const std::string& code) const {
  if (code == "57P05") return rules_.client_idle > Duration::zero() && session_.status() == 'I';
  if (code == "25P03") return rules_.idle_transaction > Duration::zero();
  if (rules_.limits_on_time) return false;
  // The cancel did not help: the peers have been too slow.
  return (code == "57014" && rules_.query > Duration::zero()) ||
         (code == "25P04" && rules_.transaction > Duration::zero());
}

// Whether this error may be the end of a statement or a transaction that has a limit.
bool ClientModel::past_limit(const std::string& code, const std::string& text) const {
  if (code == "57014")
    return rules_.query > Duration::zero() && text.starts_with("canceling statement due to query_timeout");
  return code == "25P04" && rules_.transaction > Duration::zero() &&
         text.starts_with("transaction is rolled back due to transaction_timeout");
}

bool ClientModel::match(const Message& expected, const Message& message) {
  if (message.type == 'E' && error_instead_) return true;
  if (message.type != expected.type) {
    if (message.type == 'E') return unexpected(message);
    return wrong("expected " + describe(expected) + ", got " + describe(message));
  }
  if (message.type == 'D') return match_row(expected, message);
  if (message.type == 'Z') return match_ready(expected, message);
  if (message == expected) return true;
  if (message.type == 'E') return unexpected(message);
  return wrong("expected " + describe(expected) + ", got " + describe(message));
}

bool ClientModel::match_row(const Message& expected, const Message& message) {
  ++checks_.counts.rows;
  const auto want = row_values(expected);
  const auto have = row_values(message);
  if (want.size() != have.size())
    return wrong("expected " + describe(expected) + ", got " + describe(message));
  const auto pid = static_cast<std::size_t>(AskColumn::pid);
  const auto transaction = static_cast<std::size_t>(AskColumn::transaction);
  const bool asked = want.size() == ask_columns;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (asked && (i == pid || i == transaction)) continue;
    if (want[i] != have[i]) return wrong("expected " + describe(expected) + ", got " + describe(message));
  }
  if (!asked) return true;
  const std::string seen = have[pid] + "/" + have[transaction];
  const bool same = last_transaction_ == session_.transaction();
  if (same != (seen == last_seen_)) {
    return wrong("I4: the server's transaction is " + seen + ", the row before came from " + last_seen_ +
                 (same ? ", in the same transaction" : ", in another one"));
  }
  if (!same) ++checks_.counts.transactions;
  last_transaction_ = session_.transaction();
  last_seen_ = seen;
  return true;
}

bool ClientModel::match_ready(const Message& expected, const Message& message) {
  if (rules_.transaction > Duration::zero() && expected.body == "T" && message.body == "E") {
    session_.fail_block(true);
  } else if (message.body != expected.body)
    return wrong("expected " + describe(expected) + ", got " + describe(message));
  touched_ = session_.take_touched() || touched_;
  if (message.body == "I") note_channels();
  if (message.body == "I") leaves_state_ = touched_ || session_.state().holds();
  // The proxy looks at the session when nothing is on its way.
  if (message.body == "I" && !session_.has_input()) touched_ = false;
  return compare_parameters();
}

bool ClientModel::welcomed() { return compare_parameters(); }

bool ClientModel::compare_parameters() {
  // What the proxy restores is told when it has looked at the session, which may be after this.
  const ToySettings restored = session_.take_restored();
  for (const auto& [name, value] : session_.reported()) {
    const auto told = told_.find(name);
    if (told == told_.end()) return wrong("I5: the client was not told the value of " + name);
    const auto late = restored.find(name);
    if (told->second != value && (late == restored.end() || late->second != told->second))
      return wrong("I5: the client was told that " + name + " is '" + told->second + "', it is '" + value +
                   "'");
  }
  return true;
}

// An error that PostgreSQL would not have given: right only when a server was lost.
bool ClientModel::unexpected(const Message& message) {
  if (why_.starts_with("I11")) return false;
  const std::string expectation = expected_.empty() ? "nothing" : describe(expected_.front());
  const bool rest = !rules_.direct && expected_.empty() && idle();
  if (message.type == 'E' && rules_.servers_fail && !rest) {
    const std::string code = error_field(message.body, 'C');
    if (code.starts_with("08") || code.starts_with("57P") || code == "53300") {
      doomed_ = true;
      return true;
    }
  }
  return wrong("expected " + expectation + ", got " + describe(message));
}

// I12: it comes outside of a transaction, on a channel that the client listens to, in the order of the
// commits, once, and none is missing.
bool ClientModel::received_notification(const Message& message) {
  Reader in(message.body);
  in.u32();
  const std::string channel(in.cstring()), payload(in.cstring());
  const std::string what = "notification " + channel + " '" + payload + "'";
  const auto place = checks_.notification(database_, channel, payload);
  if (!place) return wrong("I12: " + what + " was never sent");
  // In front of ReadyForQuery, which is next then.
  if (expected_.empty() && session_.in_transaction()) advance(message);
  const bool between = expected_.empty() ? !session_.in_transaction()
                                         : expected_.front().type == 'Z' && expected_.front().body == "I";
  if (!between) return wrong("I12: " + what + " came in a transaction");
  if (!session_.channels().contains(channel)) return wrong("I12: " + what + " came to who does not listen");
  std::size_t& next = next_[channel];
  if (*place < next) return wrong("I12: " + what + " came twice, or too late");
  next = *place + 1;
  Listening& listening = listening_[channel];
  const std::size_t latest = listening.last ? *listening.last + 1 : listening.bound;
  if (*place > latest && !rules_.servers_fail) return wrong("I12: before " + what + " something is missing");
  listening.last = *place;
  return true;
}

void ClientModel::note_channels() {
  std::erase_if(listening_, [&](const auto& entry) { return !session_.channels().contains(entry.first); });
  for (const std::string& channel : session_.channels()) {
    Listening& listening = listening_[channel];
    listening.bound = std::min(listening.bound, checks_.notifications(database_, channel));
  }
}

ClientModel::Expected ClientModel::all_notifications() const {
  Expected expected;
  for (const auto& [channel, listening] : listening_)
    expected.counts[channel] = checks_.notifications(database_, channel);
  return expected;
}

bool ClientModel::caught_up(const Expected& expected) const {
  if (rules_.servers_fail || doomed_ || session_.in_transaction()) return true;
  for (const auto& [channel, count] : expected.counts) {
    const auto found = listening_.find(channel);
    if (found == listening_.end() || count <= found->second.bound) continue;
    if (!found->second.last || *found->second.last + 1 < count) return false;
  }
  return true;
}

}  // namespace pgweir::sim
