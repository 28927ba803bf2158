// A worker and the control thread's engine, with clients and servers played by hand: caps on clients, checks
// of idle servers, and replication connections.

#include <doctest/doctest.h>

#include <cstring>
#include <deque>
#include <functional>
#include <unordered_map>

#include "admin/settings_table.h"
#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/startup.h"
#include "proxy/session/control_core.h"
#include "proxy/session/worker_core.h"

using namespace pgweir;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

class House final : public Host, public ControlHost {
 public:
  explicit House(const std::function<void(Settings&)>& change) {
    auto settings = std::make_shared<Settings>(settings_by_default());
    settings->server_tls.mode = TlsMode::disable;
    settings->auth.type = AuthType::trust;
    settings->databases["*"] = database_by_default("*");
    settings->pool.query_wait_notify = {};  // clients hear of nothing but what is tested
    change(*settings);
    settings_ = settings;
    control_ = std::make_unique<ControlCore>(1, *this, settings_, now_, Duration{});
    core_ = std::make_unique<WorkerCore>(WorkerId{0}, 1, *this, settings_, "secret", now_);
  }

  ConnId client(const std::string& user = "u", const std::string& replication = {}) {
    ConnId id;
    turn([&] {
      id = core_->on_accept({.address = "10.0.0.9", .port = 1000, .local_address = {}, .local_port = 0});
    });
    Writer startup;
    StartupMessage message;
    message.user = user;
    message.database = "d";
    message.replication = replication;
    message.parameters = {{"application_name", "app"}};
    write_startup(startup, message);
    say(id, startup.view());
    return id;
  }
  // Comes when hardly any of `descriptors` are left.
  ConnId late_client(long descriptors) {
    ConnId id;
    turn([&] { id = core_->on_accept({}, descriptors); });
    return id;
  }
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
  // The next server that is dialed lets pgweir log in.
  ConnId server() {
    REQUIRE_FALSE(dials_.empty());
    const ConnId conn = dials_.front();
    dials_.pop_front();
    turn([&] {
      core_->on_dialed(conn,
                       {.connected = true,
                        .error = {},
                        .peer = {.address = "10.0.0.1", .port = 7, .local_address = {}, .local_port = 0}});
    });
    startup_ = heard(conn);
    Writer out;
    write_authentication_ok(out);
    write_parameter_status(out, "application_name", "app");
    write_backend_key_data(out, 77, "abcd");
    write_ready_for_query(out, TransactionStatus::idle);
    say(conn, out.view());
    return conn;
  }
  const std::string& startup() const { return startup_; }
  void wait(Duration span) {
    now_ += span;
    turn([] {});
  }
  // Mail to the control thread waits until `deliver`.
  void hold_mail() { held_ = true; }
  void deliver() {
    held_ = false;
    turn([] {});
  }

  std::string heard(ConnId conn) { return std::exchange(written_[conn], {}); }
  bool closed(ConnId conn) const { return closed_.contains(conn); }
  std::size_t dials() const { return dials_.size(); }
  std::uint64_t counted(const std::string& reason) const {
    for (const EventCount& event : core_->snapshot({}).events) {
      if (event.reason == reason) return event.count;
    }
    return 0;
  }
  WorkerSnapshot snapshot() const { return core_->snapshot({.connections = true}); }

  // Host
  void dial(ConnId conn, const Endpoint&) override { dials_.push_back(conn); }
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
  void keep(StateEntry) override {}
  void in_background(std::function<ControlMail()> work) override { control_->on_mail(work()); }
  void post(WorkerId, WorkerMail mail) override { to_worker_.push_back(std::move(mail)); }
  void post_control(ControlMail mail) override { to_control_.push_back(std::move(mail)); }
  void derive_key(KeyWanted) override {}
  void random(std::span<char> bytes) override {
    for (char& byte : bytes) byte = static_cast<char>(++random_);
  }
  void log(LogLine) override {}
  // ControlHost
  Reloaded reload(const Settings&) override { return {}; }
  void run_hook(HookRun) override {}
  void stop() override {}
  void start_drain(DrainMode) override {}
  bool ask_predecessor(const CancelByKey&) override { return false; }
  void foreign_cancel_handled(std::uint64_t) override {}
  void alive() override {}
  void configure(const Settings&) override {}

 private:
  template <class Input>
  void turn(Input input) {
    core_->begin_turn(now_);
    input();
    core_->end_turn();
    while (!to_worker_.empty() || (!held_ && !to_control_.empty())) {
      control_->begin_turn(now_);
      for (; !held_ && !to_control_.empty(); to_control_.pop_front())
        control_->on_mail(std::move(to_control_.front()));
      core_->begin_turn(now_);
      for (; !to_worker_.empty(); to_worker_.pop_front()) core_->on_mail(std::move(to_worker_.front()));
      core_->end_turn();
    }
  }

  std::shared_ptr<const Settings> settings_;
  Instant now_{1000s};
  int random_ = 0;
  bool held_ = false;
  std::deque<ConnId> dials_;
  std::unordered_map<ConnId, std::string> written_;
  std::unordered_map<ConnId, bool> closed_;
  std::deque<WorkerMail> to_worker_;
  std::deque<ControlMail> to_control_;
  std::string startup_;
  std::unique_ptr<ControlCore> control_;
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

std::string done() {
  Writer out;
  out.begin('C').cstring("SELECT 1").end();
  write_ready_for_query(out, TransactionStatus::idle);
  return out.take();
}

std::string empty_done() {
  Writer out;
  out.begin('I').end();
  write_ready_for_query(out, TransactionStatus::idle);
  return out.take();
}

std::string message(char type, Bytes body) {
  Writer out;
  out.begin(type).bytes(body).end();
  return out.take();
}

// A client that has used a server, which then was idle for as long.
struct Used {
  Used(House& house, Duration idle) : client(house.client()), server(house.server()) {
    house.say(client, query("select 0"));
    house.say(server, done());
    house.heard(client);
    house.heard(server);
    house.wait(idle);
  }
  ConnId client, server;
};

}  // namespace

TEST_CASE("checks: a server that was used lately is used as it is, another one is asked first") {
  House house([](Settings& settings) { settings.pool.server_check_delay = 30s; });
  Used used(house, 29s);
  house.say(used.client, query("select 1"));
  CHECK(house.heard(used.server) == query("select 1"));
  house.say(used.server, done());
  house.wait(30s);
  house.heard(used.client);
  house.say(used.client, query("select 2"));
  CHECK(house.heard(used.server) == query(""));
  house.say(used.server, empty_done());
  CHECK(house.heard(used.client).empty());
  CHECK(house.heard(used.server) == query("select 2"));
  house.say(used.server, done());
  CHECK(house.heard(used.client) == done());
  CHECK(house.dials() == 0);
}

TEST_CASE("checks: none with an empty query, and the operator's own where there is one") {
  House without([](Settings& settings) {
    settings.pool.server_check_delay = 1s;
    settings.pool.server_check_query = "";
  });
  Used plain(without, 1min);
  without.say(plain.client, query("select 1"));
  CHECK(without.heard(plain.server) == query("select 1"));

  House with([](Settings& settings) {
    settings.pool.server_check_delay = 1s;
    settings.pool.server_check_query = "select check()";
  });
  Used used(with, 1s);
  with.say(used.client, query("select 1"));
  CHECK(with.heard(used.server) == query("select check()"));
}

TEST_CASE("checks: whatever becomes of a bad server, the client gets its answer from another one") {
  House house([](Settings& settings) { settings.pool.server_check_delay = 30s; });
  Used used(house, 40s);
  house.say(used.client, query("select 1"));
  CHECK(house.heard(used.server) == query(""));
  SUBCASE("it is gone") { house.vanish(used.server); }
  SUBCASE("it reports an error") {
    Writer out;
    write_error_response(out, {.severity = "ERROR", .sqlstate = "XX000", .message = "no"});
    write_ready_for_query(out, TransactionStatus::idle);
    house.say(used.server, out.view());
    CHECK(house.counted("check_failed") == 1);
    CHECK(house.closed(used.server));
  }
  SUBCASE("it says nothing") {
    house.wait(4900ms);
    CHECK_FALSE(house.closed(used.server));
    house.wait(200ms);
    CHECK(house.counted("check_failed") == 1);
    CHECK(house.closed(used.server));
  }
  CHECK(house.heard(used.client).empty());
  const ConnId other = house.server();
  CHECK(house.heard(other) == query("select 1"));
  house.say(other, done());
  CHECK(house.heard(used.client) == done());
  CHECK(house.counted("server_lost") == 0);
}

TEST_CASE("checks: clients are not given servers out of turn while one is checked") {
  House house([](Settings& settings) { settings.pool.default_pool_size = 1; });
  Used used(house, 60s);
  const ConnId second = house.client();
  house.heard(second);
  house.say(used.client, query("select 1"));
  house.say(second, query("select 2"));
  CHECK(house.heard(used.server) == query(""));
  house.say(used.server, empty_done());
  CHECK(house.heard(used.server) == query("select 1"));
  house.say(used.server, done());
  CHECK(house.heard(used.server) == query("select 2"));
}

TEST_CASE("caps: clients of a user are counted when they are in, and not when they left before that") {
  House house([](Settings& settings) { settings.pool.max_user_client_connections = 1; });
  house.hold_mail();
  const ConnId hasty = house.client();
  house.vanish(hasty);
  const ConnId first = house.client();
  house.deliver();
  house.server();
  CHECK(contains(house.heard(first), "application_name"));
  const ConnId second = house.client();
  const std::string refusal = house.heard(second);
  CHECK(contains(refusal, "53300"));
  CHECK(contains(refusal, "1 of 1 client connections of user u are in use."));
  CHECK(house.closed(second));
  const ConnId other = house.client("v");
  house.server();
  CHECK(contains(house.heard(other), "application_name"));
  house.vanish(first);
  const ConnId third = house.client();
  CHECK(contains(house.heard(third), "application_name"));
  CHECK(house.counted("user_clients_full") == 1);
}

TEST_CASE("caps: the queue has an end") {
  House house([](Settings& settings) {
    settings.pool.default_pool_size = 1;
    settings.pool.max_queue = 1;
  });
  Used used(house, 0s);
  const ConnId second = house.client(), third = house.client();
  house.heard(third);
  house.say(used.client, query("select 1"));
  house.say(second, query("select 2"));
  house.say(third, query("select 3"));
  const std::string refusal = house.heard(third);
  CHECK(contains(refusal, "53300"));
  CHECK(contains(refusal, "1 of 1 servers in use, 1 clients waiting, allowed are 1 (max_queue)"));
  CHECK_FALSE(house.closed(third));
  CHECK(house.counted("queue_full") == 1);
  house.say(used.server, done());
  house.say(used.server, done());
  house.heard(used.server);
  house.say(third, query("select 4"));
  CHECK(house.heard(used.server) == query("select 4"));
}

TEST_CASE(
    "replication: a server of its own with the same startup, bytes both ways, and closed with its client") {
  House house([](Settings&) {});
  const ConnId client = house.client("u", "database");
  const ConnId server = house.server();
  CHECK(contains(house.startup(), "replication\0database\0"s));
  CHECK(contains(house.startup(), "application_name\0app\0"s));
  CHECK(contains(house.heard(client), "application_name\0app\0"s));
  CHECK(house.heard(server).empty());
  CHECK(house.snapshot().clients.at(0).replication == ReplicationKind::logical);
  CHECK(house.snapshot().servers.at(0).replication == ReplicationKind::logical);

  house.say(client, query("BEGIN"));
  CHECK(house.heard(server) == query("BEGIN"));
  house.say(server, done());
  house.say(client, query("START_REPLICATION"));
  const std::string start = message('W', "\0\0\0"s);
  house.say(server, start);
  house.heard(client);
  house.say(server, message('d', "wal"));
  house.say(client, message('d', "status"));
  CHECK(house.heard(client) == message('d', "wal"));
  CHECK(contains(house.heard(server), message('d', "status")));
  house.say(client, message('c', ""));
  house.say(server, message('d', "more") + message('c', "") + done());
  CHECK(house.heard(client) == message('d', "more") + message('c', "") + done());
  CHECK_FALSE(house.closed(server));

  // Another client of the same database and user has nothing to do with it.
  const ConnId other = house.client();
  const ConnId others_server = house.server();
  CHECK_FALSE(contains(house.startup(), "replication"));
  house.heard(server);
  house.vanish(client);
  CHECK(house.heard(server) == message('X', ""));
  house.vanish(server);
  CHECK(house.counted("client_left") == 1);
  house.say(other, query("select 1"));
  CHECK(house.heard(others_server) == query("select 1"));
  CHECK(house.snapshot().pools.size() == 1);
}

TEST_CASE("caps: clients that say nothing do not hold the last file descriptors") {
  House house([](Settings& settings) { settings.console.admin_users = {"dba"}; });
  const ConnId console = house.late_client(100);
  Writer startup;
  StartupMessage message;
  message.user = "dba";
  message.database = "pgweir";
  write_startup(startup, message);
  house.say(console, startup.view());
  std::deque<ConnId> silent;
  for (int i = 0; i < 16; ++i) silent.push_back(house.late_client(100));
  CHECK_FALSE(house.closed(silent.front()));
  CHECK(house.counted("descriptors_full") == 0);
  house.vanish(silent.back());
  silent.pop_back();
  silent.push_back(house.late_client(100));
  CHECK_FALSE(house.closed(silent.front()));
  for (int i = 1; i <= 5; ++i) {
    silent.push_back(house.late_client(100));
    const std::string told = house.heard(silent.front());
    CHECK(contains(told, "53300"));
    CHECK(contains(told, "100 files"));
    CHECK(house.closed(silent.front()));
    silent.pop_front();
    CHECK_FALSE(house.closed(silent.front()));
    CHECK(house.counted("descriptors_full") == i);
  }
  CHECK_FALSE(house.closed(console));
}
