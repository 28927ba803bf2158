#include "tests/support/mock_session.h"

#include <algorithm>
#include <cctype>

#include "tests/support/wire_client.h"

namespace pgweir {
namespace {

constexpr std::uint32_t protocol_3 = 3 << 16;
constexpr std::uint32_t ssl_request = 80877103, gss_request = 80877104, cancel_code = 80877102;
constexpr std::uint32_t text_oid = 25;
constexpr std::size_t largest_mocked = 1 << 20;

std::string text_at(const std::string& body, std::size_t at) {
  if (at >= body.size()) return {};
  return body.substr(at, std::min(body.find('\0', at), body.size()) - at);
}

std::string first_word(const std::string& sql) {
  std::string word;
  for (const char c : sql) {
    if (!std::isalpha(static_cast<unsigned char>(c))) break;
    word += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return word;
}

std::deque<std::string> split(const std::string& sql) {
  std::deque<std::string> statements;
  for (std::size_t at = 0; at <= sql.size();) {
    const std::size_t end = std::min(sql.find(';', at), sql.size());
    const std::size_t from = sql.find_first_not_of(" \t\n", at);
    if (from < end) statements.push_back(sql.substr(from, end - from));
    at = end + 1;
  }
  return statements;
}

std::string row_description() {
  return wire_message('T', wire_int16(1) + std::string("mock\0", 5) + wire_int32(0) + wire_int16(0) +
                               wire_int32(text_oid) + wire_int16(0xffff) + wire_int32(0xffffffff) +
                               wire_int16(0));
}

// Of what an own statement is, and of what gives rows.
bool gives_row(const std::string& sql) {
  static const std::string without[] = {"BEGIN", "START", "COMMIT", "END",     "ROLLBACK",
                                        "ABORT", "SET",   "RESET",  "DISCARD", "DEALLOCATE"};
  return std::find(std::begin(without), std::end(without), first_word(sql)) == std::end(without);
}

}  // namespace

void MockSession::feed(std::string_view bytes) {
  in_ += bytes;
  go_on();
}

void MockSession::go_on() {
  while (!closed_ && !running_) {
    if (!statements_.empty()) {
      next_statement();
    } else if (simple_) {
      simple_ = false;
      ready();
    } else if (!(started_ ? take_message() : take_startup())) {
      return;
    }
  }
}

bool MockSession::take_startup() {
  const std::uint32_t length = int32_at(in_, 0);
  if (in_.size() < 8) return false;
  if (length < 8 || length > largest_mocked) {
    closed_ = true;
    return false;
  }
  if (in_.size() < length) return false;
  const std::uint32_t code = int32_at(in_, 4);
  if (code == cancel_code) {
    cancel_request_ = Key{int32_at(in_, 8), int32_at(in_, 12)};
    closed_ = true;
  } else if (code == ssl_request || code == gss_request) {
    out += 'N';
  } else if (code >> 16 != protocol_3 >> 16) {
    fail("08P01", "the mock speaks protocol 3 only");
    closed_ = true;
  } else {
    started_ = true;
    out += wire_message('R', wire_int32(0));
    for (const char* pair :
         {"server_version\00015.0", "server_encoding\000UTF8", "client_encoding\000UTF8",
          "DateStyle\000ISO, MDY", "TimeZone\000UTC", "integer_datetimes\000on", "IntervalStyle\000postgres",
          "standard_conforming_strings\000on", "is_superuser\000on", "in_hot_standby\000off",
          "default_transaction_read_only\000off", "application_name\000"}) {
      const std::string name = pair, value = pair + name.size() + 1;
      out += wire_message('S', name + '\0' + value + '\0');
    }
    out += wire_message('K', wire_int32(key_.pid) + wire_int32(key_.secret));
    ready();
  }
  in_.erase(0, length);
  return true;
}

bool MockSession::take_message() {
  if (in_.size() < 5) return false;
  const std::uint32_t length = int32_at(in_, 1);
  if (length < 4 || length > largest_mocked) {
    closed_ = true;
    return false;
  }
  if (in_.size() < 1 + length) return false;
  const char type = in_[0];
  const std::string body = in_.substr(5, length - 4);
  in_.erase(0, 1 + length);
  message(type, body);
  return true;
}

void MockSession::message(char type, const std::string& body) {
  if (type == 'X') {
    closed_ = true;
    return;
  }
  if (type == 'S') {
    skipping_ = false;
    return ready();
  }
  if (skipping_) return;
  switch (type) {
    case 'Q':
      statements_ = split(text_at(body, 0));
      simple_ = true;
      if (statements_.empty()) out += wire_message('I', {});
      return;
    case 'P': {
      const std::string name = text_at(body, 0);
      prepared_[name] = text_at(body, name.size() + 1);
      out += wire_message('1', {});
      return;
    }
    case 'B': {
      const std::string portal = text_at(body, 0);
      const auto statement = prepared_.find(text_at(body, portal.size() + 1));
      if (statement == prepared_.end()) return fail("26000", "no such prepared statement");
      portals_[portal] = statement->second;
      out += wire_message('2', {});
      return;
    }
    case 'D': {
      const auto& all = body.starts_with('S') ? prepared_ : portals_;
      const auto found = all.find(text_at(body, 1));
      if (found == all.end()) return fail("26000", "nothing of this name to describe");
      if (body.starts_with('S')) out += wire_message('t', wire_int16(0));
      out += gives_row(found->second) ? row_description() : wire_message('n', {});
      return;
    }
    case 'E': {
      const auto portal = portals_.find(text_at(body, 0));
      if (portal == portals_.end()) return fail("34000", "no such portal");
      statements_ = {portal->second};
      return;
    }
    case 'C':
      (body.starts_with('S') ? prepared_ : portals_).erase(text_at(body, 1));
      out += wire_message('3', {});
      return;
    case 'H':
      return;
    default:
      fail("08P01", std::string("the mock does not know the message ") + type);
  }
}

void MockSession::next_statement() {
  const std::string sql = statements_.front();
  if (own_statement(sql)) return;
  if (status_ == 'E') return fail("25P02", "current transaction is aborted");
  running_ = script_(sql);
  if (running_->work <= std::chrono::nanoseconds::zero()) finish();
}

bool MockSession::own_statement(const std::string& sql) {
  const std::string word = first_word(sql);
  if (word == "BEGIN" || word == "START") {
    if (status_ == 'I') status_ = 'T';
    answer("BEGIN", false);
  } else if (word == "COMMIT" || word == "END" || word == "ROLLBACK" || word == "ABORT") {
    const bool commits = status_ != 'E' && (word == "COMMIT" || word == "END");
    status_ = 'I';
    answer(commits ? "COMMIT" : "ROLLBACK", false);
  } else if (status_ == 'E') {
    return false;
  } else if (word == "DISCARD") {
    prepared_.clear();
    answer("DISCARD ALL", false);
  } else if (word == "SET" || word == "RESET" || word == "DEALLOCATE" || word == "SHOW") {
    answer(word, word == "SHOW");
  } else if (sql.find("current_setting('max_connections')") != std::string::npos) {
    fail("42501", "the mock server does not say how many connections it takes");
  } else {
    return false;
  }
  return true;
}

void MockSession::finish() {
  if (!running_) return;
  const MockReply reply = *running_;
  running_.reset();
  if (reply.dies) {
    closed_ = true;
    return;
  }
  if (reply.sqlstate.empty()) {
    answer("SELECT 1", true);
  } else {
    fail(reply.sqlstate, "as the script says");
  }
  go_on();
}

void MockSession::cancel() {
  if (!running_) return;
  running_.reset();
  fail("57014", "canceling statement due to user request");
  go_on();
}

void MockSession::answer(const std::string& tag, bool row) {
  if (row) {
    if (simple_) out += row_description();
    out += wire_message('D', wire_int16(1) + wire_int32(1) + "1");
  }
  out += wire_message('C', tag + '\0');
  statements_.pop_front();
}

void MockSession::fail(const std::string& sqlstate, const std::string& text) {
  out += wire_message('E',
                      std::string("SERROR\0VERROR\0", 14) + 'C' + sqlstate + '\0' + 'M' + text + '\0' + '\0');
  statements_.clear();
  if (status_ == 'T') status_ = 'E';
  if (!simple_) skipping_ = true;
}

void MockSession::ready() { out += wire_message('Z', std::string(1, status_)); }

}  // namespace pgweir
