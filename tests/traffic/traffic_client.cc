#include "tests/traffic/traffic_client.h"

#include <array>
#include <stdexcept>
#include <utility>

#include "protocol/backend.h"

namespace pgweir {

using namespace std::chrono_literals;

namespace {

constexpr std::array zones{"Asia/Tokyo", "Europe/Oslo", "America/Lima"};
constexpr const char* startup_zone = "Etc/UTC";
constexpr std::array statement_names{"s0", "s1", "s2", "s3", "s4", "s5"};

// What a client is told whose server has been killed, by the server or by pgweir.
bool is_loss(const WireMessage& message) {
  if (message.type != 'E') return false;
  const ErrorFields fields = read_error_fields(message.body);
  return fields.severity == "FATAL" && (fields.sqlstate == "57P01" || fields.sqlstate == "08006");
}

}  // namespace

void TrafficClient::run() {
  try {
    while (!traffic_.over()) {
      try {
        if (!wire_) connect();
        act();
      } catch (const Lost&) {
        ++traffic_.counts().lost;
        wire_.reset();
      }
    }
    if (wire_) leave();
  } catch (const std::exception& error) {
    traffic_.fail(me() + ": " + error.what());
  }
}

void TrafficClient::connect() {
  ++connection_;
  ++traffic_.counts().connections;
  name_ = me();
  tag_.clear();
  zone_ = startup_zone;
  temp_.reset();
  prepared_.clear();
  present_ = nullptr;
  wire_.emplace(traffic_.port());
  wire_->send_startup(3 << 16, {{"user", "postgres"},
                                {"database", "postgres"},
                                {"application_name", name_},
                                {"TimeZone", startup_zone}});
  for (;;) {
    const std::string line = next_line();
    if (line == "Z:I") return;
    if (line != "R" && line != "K") mismatch("the end of the login", line);
  }
}

void TrafficClient::leave() {
  wire_->send('X', "");
  for (WireMessage last = wire_->read(); !last.closed(); last = wire_->read()) {
    if (is_loss(last))
      ++traffic_.counts().lost;
    else if (!line_of(last).empty())
      mismatch("the end", line_of(last));
  }
  wire_.reset();
}

void TrafficClient::act() {
  struct Weighed {
    Deed deed;
    std::size_t weight;
  };
  static constexpr std::array deeds{
      Weighed{&TrafficClient::ask_simply, 200},
      Weighed{&TrafficClient::ask_in_extended_protocol, 200},
      Weighed{&TrafficClient::keep_unnamed, 40},
      Weighed{&TrafficClient::prepare, 250},
      Weighed{&TrafficClient::deallocate, 15},
      Weighed{&TrafficClient::pipeline, 100},
      Weighed{&TrafficClient::batch_with_error, 40},
      Weighed{&TrafficClient::set_something, 60},
      Weighed{&TrafficClient::transact, 100},
      Weighed{&TrafficClient::use_temp_table, 30},
      Weighed{&TrafficClient::discard_all, 3},
      Weighed{&TrafficClient::fail, 40},
      Weighed{&TrafficClient::copy, 20},
      Weighed{&TrafficClient::ask_for_much, 3},
      Weighed{&TrafficClient::cancel, 3},
      Weighed{&TrafficClient::vanish, 8},
  };
  std::size_t sum = 0;
  for (const Weighed& it : deeds) sum += it.weight;
  std::size_t chosen = below(sum);
  for (const Weighed& it : deeds) {
    if (chosen < it.weight) return (this->*it.deed)();
    chosen -= it.weight;
  }
}

// ---- deeds ----

void TrafficClient::ask_simply() {
  Dialogue dialogue;
  for (std::size_t i = below(3) + 1; i > 0; --i) add_row(dialogue);
  hold(dialogue);
}

void TrafficClient::ask_in_extended_protocol() {
  Dialogue dialogue;
  add_extended_row(dialogue, true);
  hold(dialogue);
}

// The unnamed statement, used after its Sync; meanwhile others have the server.
void TrafficClient::keep_unnamed() {
  const std::string mark = next_mark();
  Dialogue parse;
  parse.parse("", "select '" + me() + "','" + mark + "',$1::text");
  parse.sync();
  parse.answer("1");
  parse.answer("Z:I");
  hold(parse);
  for (std::size_t i = below(2) + 1; i > 0; --i) {
    Dialogue use;
    const std::string value = next_mark();
    use.bind("", {value});
    use.execute();
    use.sync();
    use.answer("2");
    use.answer("D:" + me() + "|" + mark + "|" + value);
    use.answer("C:SELECT 1");
    use.answer("Z:I");
    hold(use);
  }
}

void TrafficClient::prepare() {
  Dialogue dialogue;
  for (std::size_t i = below(3) + 1; i > 0; --i) {
    add_prepared(dialogue);
    dialogue.sync();
    dialogue.answer("Z:I");
  }
  hold(dialogue);
}

void TrafficClient::deallocate() {
  const std::string name = statement_name();
  const bool known = prepared_.erase(name) > 0;
  const std::string refused = "E:26000:prepared statement \"" + name + "\" does not exist";
  Dialogue dialogue;
  if (chance(2)) {
    dialogue.query("deallocate " + name);
  } else {
    dialogue.parse("", "deallocate " + name);
    dialogue.bind("", {});
    dialogue.execute();
    dialogue.sync();
    dialogue.answer("1");
    dialogue.answer("2");
  }
  dialogue.answer(known ? "C:DEALLOCATE" : refused);
  dialogue.answer("Z:I");
  hold(dialogue);
}

// Many requests, each with its own end, before any answer is read.
void TrafficClient::pipeline() {
  Dialogue dialogue;
  for (std::size_t i = below(12) + 2; i > 0; --i) {
    switch (below(6)) {
      case 0:
        add_row(dialogue);
        break;
      case 1:
        add_error(dialogue);
        break;
      case 2:
        add_insert(dialogue);
        break;
      case 3:
        add_prepared(dialogue);
        dialogue.sync();
        dialogue.answer("Z:I");
        break;
      default:
        add_extended_row(dialogue, true);
    }
  }
  hold(dialogue);
}

// What stands behind the error, up to Sync, is skipped.
void TrafficClient::batch_with_error() {
  Dialogue dialogue;
  for (std::size_t i = below(4); i > 0; --i) add_extended_row(dialogue, false);
  const std::string mark = next_mark();
  dialogue.parse("", "select '" + mark + "'::int");
  dialogue.answer("E:22P02:invalid input syntax for type integer: \"" + mark + "\"");
  dialogue.bind("", {});
  dialogue.execute();
  if (chance(2)) dialogue.parse(statement_name(), "select 'never'");
  if (chance(2)) dialogue.close(statement_name());
  dialogue.sync();
  dialogue.answer("Z:I");
  add_prepared(dialogue);
  dialogue.sync();
  dialogue.answer("Z:I");
  hold(dialogue);
}

void TrafficClient::set_something() {
  const std::string value = me() + next_mark();
  Dialogue dialogue;
  switch (below(7)) {
    case 0:
      dialogue.query("set my.tag = '" + value + "'");
      dialogue.answer("C:SET");
      tag_ = value;
      break;
    case 1:
      dialogue.query("select set_config('my.tag', '" + value + "', false)");
      dialogue.answer("D:" + value);
      dialogue.answer("C:SELECT 1");
      tag_ = value;
      break;
    case 2:
      zone_ = zones[below(zones.size())];
      dialogue.query("set TimeZone = '" + zone_ + "'");
      dialogue.answer("C:SET");
      break;
    case 3:
      dialogue.query("begin; set my.tag = '" + value + "'; set TimeZone = 'Asia/Kolkata'; rollback");
      for (const char* tag : {"BEGIN", "SET", "SET", "ROLLBACK"}) dialogue.answer(std::string("C:") + tag);
      break;
    case 4:
      dialogue.parse("", "set my.tag = '" + value + "'");
      dialogue.bind("", {});
      dialogue.execute();
      dialogue.sync();
      for (const char* line : {"1", "2", "C:SET"}) dialogue.answer(line);
      tag_ = value;
      break;
    case 5:
      name_ = value;
      dialogue.query("set application_name = '" + value + "'");
      dialogue.answer("C:SET");
      break;
    default:
      dialogue.query("reset my.tag");
      dialogue.answer("C:RESET");
      tag_.clear();
  }
  dialogue.answer("Z:I");
  if (chance(2)) add_row(dialogue);
  hold(dialogue);
}

void TrafficClient::transact() {
  Dialogue begin;
  begin.query(chance(4) ? "start transaction isolation level repeatable read" : "begin");
  begin.answer(begin.bytes().find("start") == std::string::npos ? "C:BEGIN" : "C:START TRANSACTION");
  begin.answer("Z:T");
  const bool at_once = chance(2);
  if (!at_once) hold(begin);
  Dialogue work = at_once ? begin : Dialogue();
  std::vector<std::string> rows;
  const auto ask = [&] {
    const std::string mark = next_mark();
    work.query("select '" + mark + "'," + settings_sql());
    work.answer("D:" + mark + "|" + settings());
    work.answer("C:SELECT 1");
    work.answer("Z:T");
  };
  if (!chance(4)) ask();
  for (std::size_t i = below(3); i > 0; --i) {
    rows.push_back(me() + next_mark());
    traffic_.sent_row(rows.back());
    work.query("insert into traffic_rows values ('" + rows.back() + "')");
    work.answer("C:INSERT 0 1");
    work.answer("Z:T");
  }
  const bool fails = chance(4);
  if (fails) {
    const std::string mark = next_mark();
    work.query("select '" + mark + "'::int");
    work.answer("E:22P02:invalid input syntax for type integer: \"" + mark + "\"");
    work.answer("Z:E");
    work.query("select 1");
    work.answer("E:25P02:current transaction is aborted, commands ignored until end of transaction block");
    work.answer("Z:E");
  }
  hold(work);
  const bool commits = !chance(3);
  Dialogue end;
  end.query(commits ? "commit" : "rollback");
  end.answer(commits && !fails ? "C:COMMIT" : "C:ROLLBACK");
  end.answer("Z:I");
  if (commits && !fails) unacknowledged_ = rows;
  hold(end);
}

// Nobody sees a temporary table but who made it.
void TrafficClient::use_temp_table() {
  Dialogue dialogue;
  if (!temp_) {
    dialogue.query("select to_regclass('pg_temp.traffic_temp')");
    dialogue.answer("D:~");
    dialogue.answer("C:SELECT 1");
    dialogue.answer("Z:I");
    temp_ = me() + next_mark();
    dialogue.query("create temp table traffic_temp as select '" + *temp_ + "' as who");
    dialogue.answer("C:SELECT 1");
  } else {
    dialogue.query("select who from traffic_temp");
    dialogue.answer("D:" + *temp_);
    dialogue.answer("C:SELECT 1");
    dialogue.answer("Z:I");
    dialogue.query("drop table traffic_temp");
    dialogue.answer("C:DROP TABLE");
    temp_.reset();
  }
  dialogue.answer("Z:I");
  hold(dialogue);
  // Others wait for the server that it holds.
  if (temp_ && chance(2)) use_temp_table();
}

void TrafficClient::discard_all() {
  Dialogue dialogue;
  dialogue.query("discard all");
  dialogue.answer("C:DISCARD ALL");
  dialogue.answer("Z:I");
  hold(dialogue);
  prepared_.clear();
  temp_.reset();
  tag_.clear();
  name_ = me();
  zone_ = startup_zone;
  ask_simply();
}

void TrafficClient::fail() {
  Dialogue dialogue;
  add_error(dialogue);
  hold(dialogue);
}

void TrafficClient::copy() {
  const std::string row = me() + next_mark();
  Dialogue dialogue;
  if (chance(2)) {
    dialogue.query("copy (select '" + row + "') to stdout");
    for (const std::string& line :
         {std::string("H"), "d:" + row + "\n", std::string("c"), std::string("C:COPY 1")})
      dialogue.answer(line);
  } else {
    dialogue.query("copy traffic_rows from stdin");
    dialogue.copy_data(row + "\n");
    dialogue.copy_done();
    dialogue.answer("G");
    dialogue.answer("C:COPY 1");
    traffic_.sent_row(row);
    unacknowledged_.push_back(row);
  }
  dialogue.answer("Z:I");
  hold(dialogue);
}

void TrafficClient::ask_for_much() {
  constexpr std::size_t times = 20'000;
  const std::string mark = me() + next_mark();
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += mark;
  Dialogue dialogue;
  dialogue.query("select repeat('" + mark + "', " + std::to_string(times) + ")");
  dialogue.answer("D:" + text);
  dialogue.answer("C:SELECT 1");
  dialogue.answer("Z:I");
  hold(dialogue);
}

void TrafficClient::cancel() {
  constexpr std::uint32_t cancel_request = 80877102;
  const std::string key =
      wire_int32(16) + wire_int32(cancel_request) + wire_int32(wire_->backend_pid) + wire_->secret;
  Dialogue dialogue;
  dialogue.query("select '" + me() + "' from pg_sleep(60)");
  dialogue.answer("E:57014:canceling statement due to user request");
  dialogue.answer("Z:I");
  wire_->send_raw(dialogue.bytes());
  // One that comes before the statement has begun is ignored.
  do {
    WireClient courier(traffic_.port());
    courier.send_raw(key);
    if (!courier.read().closed()) throw std::runtime_error("a CancelRequest was answered");
  } while (!wire_->readable(100ms));
  Dialogue answers;
  for (const std::string& line : dialogue.answers()) answers.answer(line);
  hold(answers);
  ++traffic_.counts().cancels;
}

// Leaves at any byte of what it says, with or without hearing the beginning of the answer.
void TrafficClient::vanish() {
  Dialogue dialogue;
  const bool in_transaction = chance(2);
  if (in_transaction) dialogue.query("begin");
  for (std::size_t i = below(4) + 1; i > 0; --i) {
    if (chance(2)) {
      add_insert(dialogue);
    } else {
      add_prepared(dialogue);
      dialogue.sync();
    }
  }
  if (chance(3)) {
    dialogue.query("copy traffic_rows from stdin");
    dialogue.copy_data("half a r");
  }
  if (chance(4)) dialogue.query("set my.tag = 'of one who left'; select pg_sleep(60)");
  unacknowledged_.clear();
  wire_->send_raw(dialogue.bytes().substr(0, below(dialogue.bytes().size() + 1)));
  if (chance(2)) wire_->readable(std::chrono::milliseconds(below(3)));
  wire_.reset();
  ++traffic_.counts().vanished;
}

// ---- parts ----

std::string TrafficClient::settings_sql() const {
  return "current_setting('application_name'),coalesce(current_setting('my.tag',true),''),"
         "current_setting('TimeZone')";
}

void TrafficClient::add_row(Dialogue& dialogue) {
  const std::string mark = next_mark();
  dialogue.query("select '" + me() + "','" + mark + "'," + settings_sql());
  dialogue.answer("D:" + me() + "|" + mark + "|" + settings());
  dialogue.answer("C:SELECT 1");
  dialogue.answer("Z:I");
}

void TrafficClient::add_extended_row(Dialogue& dialogue, bool sync) {
  const std::string mark = next_mark();
  dialogue.parse("", "select $1::text,$2::text," + settings_sql());
  if (chance(4)) dialogue.describe("");
  dialogue.bind("", {me(), mark});
  dialogue.execute();
  dialogue.answer("1");
  dialogue.answer("2");
  dialogue.answer("D:" + me() + "|" + mark + "|" + settings());
  dialogue.answer("C:SELECT 1");
  if (!sync) return;
  dialogue.sync();
  dialogue.answer("Z:I");
}

void TrafficClient::add_error(Dialogue& dialogue) {
  const std::string mark = me() + next_mark();
  dialogue.query("select '" + mark + "'::int");
  dialogue.answer("E:22P02:invalid input syntax for type integer: \"" + mark + "\"");
  dialogue.answer("Z:I");
}

std::string TrafficClient::statement_name() { return statement_names[below(statement_names.size())]; }

// Something with a named statement, without Sync. All clients have the same names; some statements are
// everybody's, others are one client's alone.
void TrafficClient::add_prepared(Dialogue& dialogue) {
  const std::string name = statement_name();
  const auto known = prepared_.find(name);
  if (known == prepared_.end()) {
    if (chance(5)) {
      dialogue.bind(name, {"x"});
      dialogue.execute();
      dialogue.answer("E:26000:prepared statement \"" + name + "\" does not exist");
      return;
    }
    if (chance(8)) {
      const std::string mark = next_mark();
      dialogue.parse(name, "select '" + mark + "'::int");
      dialogue.answer("E:22P02:invalid input syntax for type integer: \"" + mark + "\"");
      return;
    }
    const std::string what = chance(2) ? "all " + std::to_string(below(10)) : me() + next_mark();
    dialogue.parse(name, "select '" + what + "',$1::text," + settings_sql());
    dialogue.answer("1");
    prepared_[name] = what;
    if (chance(3)) return;
  } else if (chance(6)) {
    dialogue.close(name);
    dialogue.answer("3");
    prepared_.erase(known);
    return;
  } else if (chance(10)) {
    dialogue.parse(name, "select 'another'");
    dialogue.answer("E:42P05:prepared statement \"" + name + "\" already exists");
    return;
  }
  const std::string mark = next_mark();
  dialogue.bind(name, {mark});
  dialogue.execute();
  dialogue.answer("2");
  dialogue.answer("D:" + prepared_[name] + "|" + mark + "|" + settings());
  dialogue.answer("C:SELECT 1");
}

void TrafficClient::add_insert(Dialogue& dialogue) {
  const std::string row = me() + next_mark();
  traffic_.sent_row(row);
  dialogue.query("insert into traffic_rows values ('" + row + "')");
  dialogue.answer("C:INSERT 0 1");
  dialogue.answer("Z:I");
  unacknowledged_.push_back(row);
}

// ---- the connection ----

void TrafficClient::hold(const Dialogue& dialogue) {
  present_ = &dialogue;
  const std::vector<std::string> rows = std::exchange(unacknowledged_, {});
  if (!dialogue.bytes().empty()) wire_->send_raw(dialogue.bytes());
  for (const std::string& expected : dialogue.answers()) {
    const std::string actual = next_line();
    if (actual != expected) mismatch(expected, actual);
    ++traffic_.counts().replies;
    if (actual[0] == 'C' || actual[0] == 'E') traffic_.answered_query();
  }
  for (const std::string& row : rows) traffic_.acknowledged_row(row);
  present_ = nullptr;
}

std::string TrafficClient::next_line() {
  for (;;) {
    const WireMessage message = wire_->read();
    if (message.closed()) throw std::runtime_error("the connection was closed without a word");
    if (is_loss(message)) throw Lost();
    std::string line = line_of(message);
    if (!line.empty()) return line;
  }
}

void TrafficClient::mismatch(const std::string& expected, const std::string& actual) const {
  std::string text = "\n  expected " + expected.substr(0, 300) + "\n  but got  " + actual.substr(0, 300);
  if (present_ != nullptr) {
    text += "\n  sent:    ";
    for (const char c : present_->bytes().substr(0, 3000)) text += c >= ' ' && c < 127 ? c : '.';
    text += "\n  all answers that must come:";
    for (const std::string& line : present_->answers()) text += "\n    " + line.substr(0, 300);
  }
  throw std::runtime_error(text);
}

}  // namespace pgweir
