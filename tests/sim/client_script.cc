#include "tests/sim/client_script.h"

#include <iterator>

#include "protocol/writer.h"

namespace pgweir::sim {

using namespace std::chrono_literals;

std::string quoted(Bytes value) {
  std::string text = "E'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') text += c;
    text += c;
  }
  return text + "'";
}

void ClientScript::send(Actions& out, char type, std::string body) {
  if (body.find("RESET") != std::string::npos || body.find("DISCARD") != std::string::npos) has_reset_ = true;
  out.push_back({.kind = Action::Kind::send, .message = {type, std::move(body)}});
}

void ClientScript::query(Actions& out, const std::string& text) {
  send(out, 'Q', Writer().cstring(text).take());
}

void ClientScript::maybe_wait(Actions& out) {
  if (has_reset_ || !style_.pipelines || random_.chance(700)) wait(out);
}

void ClientScript::maybe_pause(Actions& out) {
  if (!random_.chance(300)) return;
  const Duration most = random_.chance(30) ? style_.think * 20 : style_.think;
  out.push_back({.kind = Action::Kind::pause, .span = random_.up_to(most)});
}

std::string ClientScript::ask() {
  std::string text = mark() + "ask rows " +
                     std::to_string(random_.chance(50) ? random_.between(20, 60) : random_.between(0, 4));
  if (random_.chance(400)) text += " size " + std::to_string(random_.between(1, 60));
  if (style_.large && random_.chance(100)) text += " size " + std::to_string(random_.between(1000, 20000));
  if (random_.chance(250))
    text += " sleep " + std::to_string(random_.between(1, random_.chance(50) ? 400 : 15));
  if (style_.limited && random_.chance(30)) text += " sleep " + std::to_string(random_.between(500, 1500));
  if (random_.chance(60)) text += " error";
  if (random_.chance(60)) text += " notice";
  if (style_.large && random_.chance(30))
    text += std::string(static_cast<std::size_t>(random_.between(5000, 100000)), ' ');
  return text;
}

std::string ClientScript::slow_ask() {
  return mark() + "ask rows 2 sleep " + std::to_string(random_.between(20, 800));
}

// Never to the value that servers have by default: the proxy takes that for the work of RESET ALL, if there
// was one.
std::string ClientScript::set() {
  const std::string text = mark() + "SET ";
  switch (random_.below(6)) {
    case 0:
      return text + "TimeZone = " +
             quoted(random_.pick<Bytes>({"Europe/Berlin", "UTC", "Asia/Tokyo", "America/New_York"}));
    case 1:
      return text + "DateStyle TO " + quoted(random_.pick<Bytes>({"ISO, DMY", "German, DMY", "SQL, MDY"}));
    case 2:
      return text + "IntervalStyle = " + random_.pick<std::string>({"postgres", "iso_8601", "sql_standard"});
    case 3:
      return text + "no_such_parameter = 1";
    case 4:
      return text + "application_name = " +
             quoted(std::string(static_cast<std::size_t>(random_.between(1, 300)), 'n'));
    default:
      return text +
             "application_name = " + quoted(random_.pick<Bytes>({"it's", "back\\slash", "a;b", "plain"}));
  }
}

std::string ClientScript::simple_statement() {
  if (random_.chance(150)) return set();
  if (!style_.early_syncs && random_.chance(30)) return mark() + "RESET ALL";
  if (random_.chance(20)) return mark() + "nonsense";
  if (random_.chance(20)) return mark() + "ROLLBACK";
  return ask();
}

std::vector<Action> ClientScript::next_unit() {
  Actions out;
  if (random_.chance(300)) {
    transaction(out);
  } else if (style_.cancels && random_.chance(250)) {
    cancel(out);
  } else {
    small_unit(out);
  }
  maybe_wait(out);
  maybe_pause(out);
  has_reset_ = false;
  return out;
}

void ClientScript::small_unit(Actions& out) {
  if (style_.prepares && random_.chance(350)) return named(out);
  if (style_.listens && random_.chance(300)) return notifications(out);
  if (style_.keeps_state && random_.chance(250)) return session_state(out);
  const std::size_t kind = random_.below(100);
  if (kind < 40) return simple(out);
  if (kind < 70) return pipeline(out);
  if (kind < 78) return copy_in(out);
  if (kind < 84) return copy_in_extended(out);
  if (kind < 90) return copy_out(out);
  if (kind < 93) return send(out, 'F', Writer().u32(1).u16(0).u16(0).u16(0).take());
  if (kind < 96) return query(out, random_.chance(500) ? "" : " ; ");
  if (kind < 98) return send(out, 'S');
  query(out, set());
}

void ClientScript::simple(Actions& out) {
  std::string text = simple_statement();
  if (random_.chance(200)) {
    for (int more = random_.between(1, 3); more > 0; --more) text += ";" + simple_statement();
  }
  query(out, text);
}

// Parse, Bind and Execute of one statement, with some of what drivers add.
void ClientScript::extended_one(Actions& out, const std::string& text, std::uint32_t limit) {
  const std::string name =
      random_.chance(150) ? "s" + std::to_string(client_) + "_" + std::to_string(serial_) : "";
  const std::string portal = random_.chance(100) ? "p" + std::to_string(serial_) : "";
  send(out, 'P', Writer().cstring(name).cstring(text).u16(0).take());
  if (random_.chance(200)) send(out, 'D', Writer().u8('S').cstring(name).take());
  const bool lost = random_.chance(20);
  send(out, 'B', Writer().cstring(portal).cstring(lost ? "none of mine" : name).u16(0).u16(0).u16(0).take());
  if (random_.chance(500)) send(out, 'D', Writer().u8('P').cstring(portal).take());
  send(out, 'E', Writer().cstring(portal).u32(limit).take());
  if (limit > 0) send(out, 'E', Writer().cstring(portal).u32(random_.chance(500) ? limit : 0).take());
  if (!portal.empty() && random_.chance(500)) send(out, 'C', Writer().u8('P').cstring(portal).take());
  if (!name.empty()) send(out, 'C', Writer().u8('S').cstring(name).take());
}

void ClientScript::batch(Actions& out, bool flushes) {
  for (int count = random_.between(1, random_.chance(200) ? 6 : 2); count > 0; --count) {
    const std::uint32_t limit = random_.chance(100) ? static_cast<std::uint32_t>(random_.between(1, 3)) : 0;
    extended_one(out, limit > 0 || random_.chance(850) ? ask() : set(), limit);
    if (flushes && random_.chance(500)) {
      send(out, 'H');
      wait(out);
      maybe_pause(out);
      // One that has nothing left to flush must change nothing.
      if (random_.chance(200)) send(out, 'H');
    }
  }
  send(out, 'S');
}

void ClientScript::pipeline(Actions& out) {
  const bool flushes = random_.chance(150);
  for (int batches = random_.chance(300) ? random_.between(2, 5) : 1; batches > 0; --batches) {
    batch(out, flushes);
    if (has_reset_) return;
  }
}

void ClientScript::transaction(Actions& out) {
  const bool extended = random_.chance(200);
  const auto word = [&](const std::string& text) {
    if (extended) {
      extended_one(out, mark() + text);
      send(out, 'S');
    } else {
      query(out, mark() + text);
    }
  };
  word("BEGIN");
  maybe_wait(out);
  for (int units = random_.between(0, 4); units > 0; --units) {
    small_unit(out);
    maybe_wait(out);
    maybe_pause(out);
  }
  word(random_.chance(700) ? "COMMIT" : "ROLLBACK");
}

void ClientScript::copy_in(Actions& out) {
  query(out, mark() + "copy_in" + (random_.chance(150) ? ";" + ask() : ""));
  const std::string row = owner_mark({client_, serial_});
  if (random_.chance(600)) out.push_back({.kind = Action::Kind::wait_copy});
  for (int rows = random_.between(0, 6); rows > 0; --rows) {
    const int size =
        style_.large && random_.chance(100) ? random_.between(1000, 30000) : random_.between(0, 50);
    const bool bad = !style_.cancels && random_.chance(40) && !style_.limited;
    send(out, 'd', row + (bad ? "bad " : "row ") + std::string(static_cast<std::size_t>(size), '.'));
    if (random_.chance(50)) send(out, random_.chance(500) && style_.early_syncs ? 'S' : 'H');
    if (random_.chance(100)) maybe_pause(out);
  }
  if (random_.chance(850)) {
    send(out, 'c');
  } else {
    send(out, 'f', Writer().cstring("the client failed").take());
  }
}

// Drivers that do not know that a statement is a COPY send Sync behind Execute, before any data; the server
// ignores it during COPY. Another one follows the data.
void ClientScript::copy_in_extended(Actions& out) {
  extended_one(out, mark() + "copy_in");
  // Where the messages of extended_one come behind Execute, COPY would take them for a violation.
  while (out.back().message.type != 'E') out.pop_back();
  const std::string row = owner_mark({client_, serial_});
  if (random_.chance(500)) send(out, random_.chance(700) && style_.early_syncs ? 'S' : 'H');
  for (int rows = random_.between(0, 4); rows > 0; --rows) send(out, 'd', row + "row");
  if (random_.chance(900)) {
    send(out, 'c');
  } else {
    send(out, 'f', Writer().cstring("the client failed").take());
  }
  send(out, 'S');
}

void ClientScript::copy_out(Actions& out) {
  std::string text = mark() + "copy_out rows " + std::to_string(random_.between(0, 10)) + " size " +
                     std::to_string(style_.large && random_.chance(200) ? random_.between(1000, 20000)
                                                                        : random_.between(0, 80));
  if (random_.chance(100)) text += " error";
  if (random_.chance(500)) return query(out, text);
  extended_one(out, text);
  send(out, 'S');
}

// A slow statement, alone or in a transaction, and a cancel that may come too early or too late.
void ClientScript::cancel(Actions& out) {
  const bool in_block = random_.chance(400);
  if (in_block) query(out, mark() + "BEGIN");
  if (random_.chance(200)) {
    query(out, mark() + "copy_in");
    out.push_back({.kind = Action::Kind::wait_copy});
    out.push_back({.kind = Action::Kind::cancel});
    out.push_back({.kind = Action::Kind::pause, .span = random_.up_to(20ms)});
    send(out, 'd', owner_mark({client_, serial_}) + "row");
    send(out, 'c');
  } else {
    if (random_.chance(600)) {
      query(out, slow_ask());
    } else {
      extended_one(out, slow_ask());
      send(out, 'S');
    }
    out.push_back({.kind = Action::Kind::pause, .span = random_.up_to(random_.chance(300) ? 2ms : 400ms)});
    out.push_back({.kind = random_.chance(150) ? Action::Kind::wrong_cancel : Action::Kind::cancel});
  }
  if (random_.chance(700)) wait(out);
  if (random_.chance(600)) out.push_back({.kind = Action::Kind::wait_cancel});
  if (in_block) query(out, mark() + "ROLLBACK");
}

}  // namespace pgweir::sim
