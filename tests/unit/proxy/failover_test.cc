// A worker's engine between one client and several hosts, played by hand.

#include <doctest/doctest.h>

#include <cstring>
#include <map>

#include "admin/settings_table.h"
#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/startup.h"
#include "proxy/session/refusal.h"
#include "proxy/session/worker_core.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

class Stage final : public Host {
 public:
  explicit Stage(SessionAttrs wanted, LoadBalanceHosts balance = LoadBalanceHosts::disable)
      : settings_(settings_by_default()) {
    settings_.auth.type = AuthType::trust;
    settings_.server_tls.mode = TlsMode::disable;
    DatabaseSettings any = database_by_default("*");
    any.hosts = {"a", "b"};
    any.ports = {1, 2};
    any.target_session_attrs = wanted;
    any.load_balance_hosts = balance;
    settings_.databases["*"] = any;
    core_ = std::make_unique<WorkerCore>(WorkerId{0}, 1, *this, std::make_shared<const Settings>(settings_),
                                         "secret", now_);
  }

  // A client that logs in, and so needs a server.
  ConnId client() {
    ConnId id;
    turn([&] {
      id = core_->on_accept({.address = "10.0.0.9", .port = 1000, .local_address = {}, .local_port = 0});
    });
    Writer startup;
    StartupMessage message;
    message.user = "u";
    message.database = "d";
    write_startup(startup, message);
    say(id, startup.view());
    return id;
  }
  // A peer says something.
  void say(ConnId conn, Bytes bytes) {
    turn([&] {
      const auto space = core_->arena().read_space();
      std::memcpy(space.data(), bytes.data(), bytes.size());
      core_->on_bytes(conn, core_->arena().commit(bytes.size()));
    });
  }
  void vanish(ConnId conn) {
    turn([&] { core_->on_closed(conn, ""); });
  }
  void refuse(ConnId conn) {
    turn([&] { core_->on_dialed(conn, {.connected = false, .error = "connection refused", .peer = {}}); });
  }
  void accept(ConnId conn, const std::string& address = "10.0.0.1") {
    turn([&] {
      core_->on_dialed(conn, {.connected = true,
                              .error = {},
                              .peer = {.address = address, .port = 7, .local_address = {}, .local_port = 0}});
    });
  }
  // A server lets pgweir log in. Without `in_hot_standby` it is older than 14.
  void welcome(ConnId conn, const char* in_hot_standby, const char* read_only = "off") {
    Writer out;
    write_authentication_ok(out);
    if (in_hot_standby != nullptr) {
      write_parameter_status(out, "in_hot_standby", in_hot_standby);
      write_parameter_status(out, "default_transaction_read_only", read_only);
    }
    write_parameter_status(out, "client_encoding", "UTF8");
    write_backend_key_data(out, 77, "abcd");
    write_ready_for_query(out, TransactionStatus::idle);
    say(conn, out.view());
  }
  // What was asked about the role is answered.
  void tell_role(ConnId conn, bool in_recovery) {
    Writer out;
    out.begin('T').u16(0).end();
    out.begin('D').u16(2).u32(1).bytes(in_recovery ? "t" : "f").u32(3).bytes("off").end();
    out.begin('C').cstring("SELECT 1").end();
    write_ready_for_query(out, TransactionStatus::idle);
    say(conn, out.view());
  }
  void wait(Duration span) {
    now_ += span;
    turn([] {});
  }

  // The latest dial that was not looked at.
  struct Dialed {
    ConnId conn;
    Endpoint endpoint;
  };
  std::optional<Dialed> dialed() {
    if (dials_.empty()) return std::nullopt;
    const Dialed first = dials_.front();
    dials_.erase(dials_.begin());
    return first;
  }
  // The next dial, which must go there.
  ConnId dialed(const std::string& name) {
    const auto dial = dialed();
    REQUIRE(dial);
    CHECK(dial->endpoint.name() == name);
    return dial->conn;
  }
  std::string written(ConnId conn) { return std::exchange(written_[conn], {}); }
  bool closed(ConnId conn) const { return closed_.contains(conn); }
  std::size_t pending_dials() const { return dials_.size(); }

  // Host
  void dial(ConnId conn, const Endpoint& endpoint) override { dials_.push_back({conn, endpoint}); }
  void adopt(ConnId, Transport) override {}
  void start_tls(ConnId, TlsStart) override {}
  Transport detach(ConnId) override { return {}; }
  void write(ConnId conn, Outbox& outbox) override {
    while (!outbox.empty()) {
      const Bytes part =
          outbox.kept().empty() ? Bytes(outbox.fresh()->data, outbox.fresh()->size) : outbox.kept().front();
      written_[conn] += part;
      outbox.consume(core_->chunks(), part.size());
    }
  }
  void set_reading(ConnId, bool) override {}
  void close(ConnId conn, Outbox& outbox) override {
    write(conn, outbox);
    closed_[conn] = true;
  }
  void abort(ConnId conn, Outbox& outbox) override {
    outbox.clear(core_->chunks());
    closed_[conn] = true;
  }
  void post(WorkerId, WorkerMail) override {}
  void post_control(ControlMail mail) override {
    if (const auto* const slots = std::get_if<SlotsWanted>(&mail))
      mail_.push_back(SlotsGranted{slots->route, slots->wanted});
    if (const auto* const slots = std::get_if<ClientSlotsWanted>(&mail))
      mail_.push_back(ClientSlotsGranted{slots->slots, 0});
  }
  void derive_key(KeyWanted) override {}
  void random(std::span<char> bytes) override {
    for (char& byte : bytes) byte = static_cast<char>(++random_);
  }
  void log(LogLine) override {}

 private:
  template <class Input>
  void turn(Input input) {
    core_->begin_turn(now_);
    input();
    core_->end_turn();
    while (!mail_.empty()) {
      core_->begin_turn(now_);
      for (WorkerMail& mail : std::exchange(mail_, {})) core_->on_mail(std::move(mail));
      core_->end_turn();
    }
  }

  Settings settings_;
  Instant now_{1000s};
  int random_ = 0;
  std::vector<Dialed> dials_;
  std::unordered_map<ConnId, std::string> written_;
  std::unordered_map<ConnId, bool> closed_;
  std::vector<WorkerMail> mail_;
  std::unique_ptr<WorkerCore> core_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string query(const char* sql) {
  Writer out;
  write_query(out, sql);
  return out.take();
}

std::string error(const char* severity, const char* sqlstate) {
  Writer out;
  write_error_response(out, {.severity = severity, .sqlstate = sqlstate, .message = "no"});
  return out.take();
}

// The end of a statement, with the transaction at rest.
std::string done() {
  Writer out;
  out.begin('C').cstring("SELECT 1").end();
  write_ready_for_query(out, TransactionStatus::idle);
  return out.take();
}

constexpr Bytes role_query = "pg_is_in_recovery";

}  // namespace

TEST_CASE("the next host is tried in the same attempt, and the client sees nothing of it") {
  Stage stage(SessionAttrs::any);
  const ConnId client = stage.client();
  stage.refuse(stage.dialed("a:1"));
  const ConnId b = stage.dialed("b:2");
  stage.accept(b);
  stage.welcome(b, nullptr);
  const std::string told = stage.written(client);
  CHECK(contains(told, "client_encoding"));
  CHECK_FALSE(contains(told, "refused"));
}

TEST_CASE("a silent host gets its share of server_connect_timeout") {
  Stage stage(SessionAttrs::any);
  stage.client();
  const ConnId a = stage.dialed("a:1");
  stage.wait(7499ms);
  CHECK(stage.pending_dials() == 0);
  stage.wait(1ms);
  CHECK(stage.closed(a));
  stage.dialed("b:2");
}

TEST_CASE("when no host can be used the client is told of each why") {
  Stage stage(SessionAttrs::read_write);
  const ConnId client = stage.client();
  const ConnId a = stage.dialed("a:1");
  stage.accept(a);
  stage.welcome(a, "on");
  CHECK(stage.closed(a));
  stage.refuse(stage.dialed("b:2"));
  const std::string told = stage.written(client);
  CHECK(contains(told, "08001"));
  CHECK(contains(told, "none of the hosts can be used: a:1: is a standby; b:2: connection refused"));
  CHECK(contains(told, "target_session_attrs is \"read-write\""));
}

TEST_CASE("a host that starts up is left for the next one; a wrong password is the same everywhere") {
  Stage stage(SessionAttrs::any);
  const ConnId client = stage.client();
  const ConnId a = stage.dialed("a:1");
  stage.accept(a);
  stage.say(a, error("FATAL", "57P03"));
  const ConnId b = stage.dialed("b:2");
  stage.accept(b);
  stage.say(b, error("FATAL", "28P01"));
  CHECK(contains(stage.written(client), "28P01"));
  CHECK(stage.pending_dials() == 0);
}

TEST_CASE("a server older than 14 is asked what it is") {
  Stage stage(SessionAttrs::primary);
  const ConnId client = stage.client();
  const ConnId a = stage.dialed("a:1");
  stage.accept(a);
  stage.welcome(a, nullptr);
  CHECK(contains(stage.written(a), std::string(role_query)));
  CHECK(stage.pending_dials() == 0);
  stage.tell_role(a, true);
  const ConnId b = stage.dialed("b:2");
  stage.accept(b);
  stage.welcome(b, nullptr);
  CHECK(contains(stage.written(b), std::string(role_query)));
  CHECK(stage.written(client).find("client_encoding") == std::string::npos);
  stage.tell_role(b, false);
  CHECK(contains(stage.written(client), "client_encoding"));
}

TEST_CASE("rows in a login that nobody has asked for are an error") {
  Stage stage(SessionAttrs::primary);
  stage.client();
  const ConnId a = stage.dialed("a:1");
  stage.accept(a);
  Writer out;
  write_authentication_ok(out);
  stage.say(a, out.view());
  stage.tell_role(a, false);
  CHECK(stage.closed(a));
}

TEST_CASE("a server whose role changes serves its transaction, and is asked and closed when it is free") {
  Stage stage(SessionAttrs::standby);
  const ConnId client = stage.client();
  const ConnId a = stage.dialed("a:1");
  stage.accept(a);
  stage.welcome(a, "on");
  stage.written(client);
  stage.say(client, query("SELECT 1"));
  CHECK(contains(stage.written(a), "SELECT 1"));
  // Promoted: it says so at the end of the next statement.
  Writer status;
  write_parameter_status(status, "in_hot_standby", "off");
  stage.say(a, status.view());
  CHECK_FALSE(stage.closed(a));
  stage.say(a, done());
  CHECK(contains(stage.written(client), "SELECT 1"));
  CHECK(contains(stage.written(a), std::string(role_query)));
  // Meanwhile nobody gets it, and afterwards neither.
  stage.say(client, query("SELECT 2"));
  stage.tell_role(a, false);
  const std::string last = stage.written(a);
  CHECK_FALSE(contains(last, "SELECT 2"));
  CHECK(last.starts_with('X'));
}

TEST_CASE("a role that did not really change keeps the server") {
  Stage stage(SessionAttrs::read_write);
  const ConnId client = stage.client();
  const ConnId a = stage.dialed("a:1");
  stage.accept(a);
  stage.welcome(a, "off");
  // A client has begun a read-only transaction and written in it.
  stage.say(client, query("INSERT"));
  stage.written(a);
  Writer failed;
  stage.say(a, error("ERROR", "25006"));
  write_ready_for_query(failed, TransactionStatus::idle);
  stage.say(a, failed.view());
  CHECK(contains(stage.written(a), std::string(role_query)));
  stage.tell_role(a, false);
  CHECK_FALSE(stage.closed(a));
  stage.say(client, query("SELECT 3"));
  CHECK(contains(stage.written(a), "SELECT 3"));
  CHECK(stage.pending_dials() == 0);
}

TEST_CASE("an idle server that says it has become something else is asked at once") {
  Stage stage(SessionAttrs::standby);
  const ConnId client = stage.client();
  const ConnId a = stage.dialed("a:1");
  stage.accept(a);
  stage.welcome(a, "on");
  stage.written(a);
  Writer status;
  write_parameter_status(status, "in_hot_standby", "off");
  stage.say(a, status.view());
  CHECK(contains(stage.written(a), std::string(role_query)));
  stage.tell_role(a, false);
  CHECK(stage.written(a).starts_with('X'));
  stage.say(client, query("SELECT 1"));
  CHECK(stage.dialed("b:2") != a);
}

TEST_CASE("a cancel goes to the address of its server") {
  Stage stage(SessionAttrs::any);
  const ConnId client = stage.client();
  const ConnId a = stage.dialed("a:1");
  stage.accept(a, "10.0.0.44");
  stage.welcome(a, nullptr);
  stage.say(client, query("SELECT 1"));
  stage.vanish(client);
  stage.dialed("10.0.0.44:7");
}
