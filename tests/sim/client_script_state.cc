// What outlives a transaction: prepared statements, parameters, locks, temporary tables.

#include "protocol/writer.h"
#include "tests/sim/client_script.h"

namespace pgweir::sim {

namespace {

// The names are the same for all clients, and so are some of the texts.
constexpr int names = 4;

}  // namespace

std::string ClientScript::statement_name() {
  return random_.chance(150) ? "" : "s" + std::to_string(random_.between(1, names));
}

std::string ClientScript::prepared_text() {
  if (random_.chance(100)) return random_.chance(500) ? "broken statement" : mark() + "broken statement";
  if (random_.chance(250)) return ask() + " $1";
  std::string text = "ask $1 rows " + std::to_string(random_.between(0, 5));
  if (random_.chance(100)) text += " error";
  return text;
}

void ClientScript::define(Actions& out, const std::string& name) {
  send(out, 'P', Writer().cstring(name).cstring(prepared_text()).u16(0).take());
}

void ClientScript::use(Actions& out, const std::string& name) {
  if (random_.chance(200)) send(out, 'D', Writer().u8('S').cstring(name).take());
  std::string owner = mark();
  Writer bind;
  bind.cstring("").cstring(name).u16(0).u16(1).u32(static_cast<std::uint32_t>(owner.size()));
  send(out, 'B', bind.bytes(owner).u16(0).take());
  if (random_.chance(300)) send(out, 'D', Writer().u8('P').cstring("").take());
  send(out, 'E', Writer().cstring("").u32(0).take());
}

// One step of a batch; false when it was a Query, which needs no Sync.
bool ClientScript::named_step(Actions& out) {
  const std::string name = statement_name();
  const std::size_t kind = random_.below(100);
  if (kind < 30) {
    define(out, name);
    if (random_.chance(500)) use(out, name);
  } else if (kind < 75) {
    use(out, name);
  } else if (kind < 85) {
    send(out, 'C', Writer().u8('S').cstring(name).take());
  } else if (kind < 88) {
    extended_one(out, random_.chance(500) ? mark() + "DEALLOCATE ALL" : ask());
  } else if (name.empty()) {
    use(out, name);
  } else {
    query(out, mark() + "DEALLOCATE " + (kind < 97 ? name : "ALL"));
    return false;
  }
  return true;
}

void ClientScript::named(Actions& out) {
  const bool pipelined = style_.pipelines && random_.chance(300);
  for (int batches = random_.between(1, pipelined ? 6 : 2); batches > 0; --batches) {
    bool extended = false;
    for (int steps = random_.between(1, random_.chance(300) ? 5 : 2); steps > 0; --steps)
      extended = named_step(out) || extended;
    if (extended) send(out, 'S');
    if (!pipelined) maybe_wait(out);
  }
}

std::string ClientScript::set_unreported() {
  const bool local = random_.chance(200);
  const auto [name, value] = random_.pick<std::pair<Bytes, Bytes>>({{"search_path", "mine"},
                                                                    {"search_path", "public"},
                                                                    {"statement_timeout", "60000"},
                                                                    {"statement_timeout", "0"},
                                                                    {"work_mem", "8192"},
                                                                    {"app.tenant", "t1"},
                                                                    {"app.tenant", "t2"},
                                                                    {"extra_float_digits", "3"}});
  const std::string parameter(name);
  if (random_.chance(300)) {
    return mark() + "SELECT pg_catalog.set_config('" + parameter + "', " + quoted(value) +
           (local ? ", true)" : ", false)");
  }
  return mark() + (local ? "SET LOCAL " : "SET ") + parameter + " = " + quoted(value);
}

std::string ClientScript::reset() {
  const std::size_t kind = random_.below(10);
  if (kind < 2) return mark() + "RESET ALL";
  return mark() + "RESET " +
         random_.pick<std::string>(
             {"search_path", "statement_timeout", "extra_float_digits", "app.tenant", "IntervalStyle"});
}

std::string ClientScript::session_object() {
  const std::string number = std::to_string(random_.between(1, 3));
  switch (random_.below(8)) {
    case 0:
    case 1:
      return mark() + "SELECT pg_advisory_lock(" + number + ")";
    case 2:
    case 3:
      return mark() + "SELECT pg_advisory_unlock(" + number + ")";
    case 4:
      return mark() + "SELECT pg_advisory_unlock_all()";
    case 5:
      return mark() + "CREATE TEMP TABLE t" + number;
    case 6:
      return mark() + "DROP TABLE t" + number;
    default:
      return mark() + "DISCARD ALL";
  }
}

std::string ClientScript::state_statement() {
  const std::size_t kind = random_.below(100);
  if (kind < 45) return set_unreported();
  if (kind < 60) return set();
  if (kind < 75) return reset();
  return session_object();
}

void ClientScript::session_state(Actions& out) {
  for (int count = random_.between(1, 3); count > 0; --count) {
    std::string text = state_statement();
    if (random_.chance(700)) {
      if (random_.chance(150)) text += ";" + state_statement();
      if (random_.chance(200)) text += ";" + ask();
      query(out, text);
    } else if (text.find("DISCARD ALL") == std::string::npos) {
      extended_one(out, text);
      send(out, 'S');
    }
    maybe_wait(out);
    if (random_.chance(500)) query(out, ask());
  }
}

// The channels are the same for all clients.
void ClientScript::notifications(Actions& out) {
  for (int count = random_.between(1, 4); count > 0; --count) {
    const std::string channel = "ch" + std::to_string(random_.between(1, 2));
    const std::size_t kind = random_.below(100);
    std::string text = mark();
    const std::string payload = "c" + std::to_string(client_) + " s" + std::to_string(serial_);
    if (kind < 35) {
      text += "LISTEN " + channel;
    } else if (kind < 50) {
      text += "UNLISTEN " + (random_.chance(700) ? channel : "*");
    } else {
      text += "NOTIFY " + channel + ", " + "'" + payload + "'";
    }
    if (random_.chance(700)) {
      if (random_.chance(150)) text += ";" + ask();
      query(out, text);
    } else {
      extended_one(out, text);
      send(out, 'S');
    }
    maybe_wait(out);
    if (!random_.chance(300)) continue;
    wait(out);
    out.push_back({.kind = Action::Kind::wait_notified});
  }
}

}  // namespace pgweir::sim
