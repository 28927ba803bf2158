// A worker's engine between clients and one server, with the time limits of a pool, played by hand.

#include <doctest/doctest.h>

#include <cstring>
#include <unordered_map>

#include "admin/settings_table.h"
#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/startup.h"
#include "proxy/session/worker_core.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

class Stage final : public Host {
 public:
  explicit Stage(void (*change)(PoolSettings&)) : settings_(settings_by_default()) {
    settings_.auth.type = AuthType::trust;
    settings_.server_tls.mode = TlsMode::disable;
    settings_.pool.default_pool_size = 1;
    settings_.pool.query_wait_notify = 0s;
    change(settings_.pool);
    DatabaseSettings any = database_by_default("*");
    any.hosts = {"a"};
    settings_.databases["*"] = any;
    core_ = std::make_unique<WorkerCore>(WorkerId{0}, 1, *this, std::make_shared<const Settings>(settings_),
                                         "secret", now_);
  }

  // A client that has logged in; the first one brings the server.
  ConnId client() {
    ConnId id;
    turn([&] {
      id = core_->on_accept({.address = "10.0.0.9", .port = 1000, .local_address = {}, .local_port = 0});
    });
    StartupMessage message;
    message.user = "u";
    message.database = "d";
    Writer startup;
    write_startup(startup, message);
    say(id, startup.view());
    if (!server_.valid()) {
      server_ = dialed();
      connect(server_);
      Writer out;
      write_authentication_ok(out);
      write_parameter_status(out, "client_encoding", "UTF8");
      write_backend_key_data(out, 77, "abcd");
      write_ready_for_query(out, TransactionStatus::idle);
      say(server_, out.view());
    }
    const std::string welcome = written(id);
    const std::size_t key = welcome.find(std::string("K\0\0\0\x0c", 5));
    REQUIRE(key != std::string::npos);
    keys_[id] = welcome.substr(key + 5, 8);
    written(server_);
    return id;
  }
  // A CancelRequest with the client's key.
  void cancel(ConnId client) {
    ConnId id;
    turn([&] {
      id = core_->on_accept({.address = "10.0.0.9", .port = 1001, .local_address = {}, .local_port = 0});
    });
    say(id, std::string("\0\0\0\x10\x04\xd2\x16\x2e", 8) + keys_[client]);
  }
  ConnId server() const { return server_; }
  void say(ConnId conn, Bytes bytes) {
    turn([&] {
      const auto space = core_->arena().read_space();
      std::memcpy(space.data(), bytes.data(), bytes.size());
      core_->on_bytes(conn, core_->arena().commit(bytes.size()));
    });
  }
  void ask(ConnId client, const char* sql) {
    Writer out;
    write_query(out, sql);
    say(client, out.view());
  }
  // The server ends a statement.
  void done(TransactionStatus status = TransactionStatus::idle) {
    Writer out;
    write_command_complete(out, "SELECT 1");
    write_ready_for_query(out, status);
    say(server_, out.view());
  }
  void failed(const char* sqlstate, TransactionStatus status = TransactionStatus::idle) {
    Writer out;
    write_error_response(out, {.severity = "ERROR", .sqlstate = sqlstate, .message = "the server's words"});
    write_ready_for_query(out, status);
    say(server_, out.view());
  }
  void connect(ConnId conn) {
    turn([&] {
      core_->on_dialed(conn,
                       {.connected = true,
                        .error = {},
                        .peer = {.address = "10.0.0.1", .port = 7, .local_address = {}, .local_port = 0}});
    });
  }
  void vanish(ConnId conn) {
    turn([&] { core_->on_closed(conn, ""); });
  }
  // The one connection that is being made.
  ConnId dialed() {
    REQUIRE(dials_.size() == 1);
    return std::exchange(dials_, {}).front();
  }
  // A cancel is on its way; it is carried to its end.
  void carry_cancel() {
    const ConnId cancel = dialed();
    connect(cancel);
    CHECK(written(cancel).size() == 16);
    vanish(cancel);
  }
  bool dials() const { return !dials_.empty(); }
  void wait(Duration span) {
    now_ += span;
    turn([] {});
  }
  Duration next() const { return core_->next_deadline() - now_; }
  void reload(void (*change)(PoolSettings&)) {
    change(settings_.pool);
    mail_.push_back(NewSettings{std::make_shared<const Settings>(settings_)});
    turn([] {});
  }
  std::uint64_t counted(const std::string& reason) const {
    for (const EventCount& it : core_->snapshot({}).events)
      if (it.reason == reason) return it.count;
    return 0;
  }
  std::string written(ConnId conn) { return std::exchange(written_[conn], {}); }
  bool closed(ConnId conn) const { return closed_.contains(conn); }

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
  ConnId server_;
  std::vector<ConnId> dials_;
  std::unordered_map<ConnId, std::string> keys_;  // of clients, for cancels
  std::unordered_map<ConnId, std::string> written_;
  std::unordered_map<ConnId, bool> closed_;
  std::vector<WorkerMail> mail_;
  std::unique_ptr<WorkerCore> core_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void query_5s(PoolSettings& pool) { pool.query_timeout = 5s; }
void transaction_5s(PoolSettings& pool) { pool.transaction_timeout = 5s; }

}  // namespace

TEST_CASE("query_timeout cancels to the moment, and only what the cancel has ended is told in its name") {
  Stage stage(query_5s);
  const ConnId client = stage.client();
  stage.ask(client, "select 1");
  CHECK(stage.next() == 5s);
  stage.wait(5s - 1ns);
  CHECK_FALSE(stage.dials());
  stage.failed("57014");
  CHECK(contains(stage.written(client), "the server's words"));

  stage.ask(client, "select 2");
  stage.wait(5s - 1ns);
  CHECK_FALSE(stage.dials());
  stage.wait(1ns);
  stage.carry_cancel();
  stage.failed("57014");
  const std::string told = stage.written(client);
  CHECK(contains(told, "C57014"));
  CHECK(contains(told, "SERROR"));
  CHECK(contains(told, "canceling statement due to query_timeout (5s)"));
  CHECK_FALSE(contains(told, "the server's words"));
  CHECK(stage.counted("query_timeout") == 1);

  // What it does next is not touched by what was.
  stage.ask(client, "select 3");
  stage.failed("57014");
  CHECK(contains(stage.written(client), "the server's words"));
  CHECK_FALSE(stage.closed(client));
}

TEST_CASE("an answer that comes before the cancel is the answer; the next request waits for the cancel") {
  Stage stage(query_5s);
  const ConnId client = stage.client();
  stage.ask(client, "begin; select 1");
  stage.wait(5s);
  const ConnId cancel = stage.dialed();
  stage.connect(cancel);
  stage.done(TransactionStatus::in_transaction);
  CHECK(contains(stage.written(client), "SELECT 1"));
  stage.written(stage.server());
  stage.ask(client, "select 2");
  CHECK(stage.written(stage.server()).empty());
  stage.vanish(cancel);
  CHECK(contains(stage.written(stage.server()), "select 2"));
  CHECK(stage.counted("query_timeout") == 0);
}

TEST_CASE("a cancel is repeated, and what it does not help against is closed") {
  Stage stage(query_5s);
  const ConnId client = stage.client();
  stage.ask(client, "select 1");
  stage.wait(5s);
  for (int i = 0; i < 10; ++i) {
    stage.carry_cancel();
    CHECK_FALSE(stage.closed(client));
    stage.wait(500ms);
  }
  const std::string told = stage.written(client);
  CHECK(contains(told, "SFATAL"));
  CHECK(contains(told, "C57014"));
  CHECK(contains(told, "query_timeout (5s): the cancel did not help"));
  CHECK(stage.closed(client));
  CHECK(stage.closed(stage.server()));
  CHECK(stage.counted("cancel_ignored") == 1);
  CHECK(stage.counted("query_timeout") == 1);
}

TEST_CASE("a cancel that comes right behind its statement is sent once more, and never for another one") {
  Stage stage([](PoolSettings&) {});
  const ConnId one = stage.client(), two = stage.client();
  stage.ask(one, "select 1");
  stage.cancel(one);
  stage.carry_cancel();
  stage.wait(499ms);
  CHECK_FALSE(stage.dials());
  stage.wait(1ms);
  stage.carry_cancel();
  // No third one.
  stage.wait(10s);
  CHECK_FALSE(stage.dials());
  stage.failed("57014");
  CHECK(stage.written(one).find("57014") != std::string::npos);

  // The statement has ended, and the next one is somebody else's.
  stage.ask(one, "select 2");
  stage.cancel(one);
  stage.carry_cancel();
  stage.done();
  stage.ask(two, "select 3");
  stage.wait(1s);
  CHECK_FALSE(stage.dials());
  stage.done();

  // By then the server has read it.
  stage.ask(one, "select 4");
  stage.wait(500ms);
  stage.cancel(one);
  stage.carry_cancel();
  stage.wait(1s);
  CHECK_FALSE(stage.dials());
  stage.failed("57014");
}

TEST_CASE("queries that end in time do not touch the timer") {
  Stage stage(query_5s);
  const ConnId client = stage.client();
  stage.ask(client, "select 1");
  for (int i = 0; i < 400; ++i) {
    const Duration left = stage.next();
    stage.wait(10ms);
    stage.done();
    stage.ask(client, "select 1");
    CHECK(stage.next() == left - 10ms);
  }
  stage.wait(1s);
  CHECK_FALSE(stage.dials());
  CHECK(stage.next() == 4s);
}

TEST_CASE("a reload counts for what runs already") {
  Stage stage([](PoolSettings&) {});
  const ConnId client = stage.client();
  stage.ask(client, "select 1");
  stage.wait(7s);
  CHECK_FALSE(stage.dials());
  stage.reload(query_5s);
  CHECK(stage.next() <= 0s);
  stage.wait(0s);
  stage.carry_cancel();
  stage.failed("57014");
  CHECK(contains(stage.written(client), "query_timeout (5s)"));
}

TEST_CASE("transaction_timeout rolls back to the moment, and the server goes to who waits") {
  Stage stage(transaction_5s);
  const ConnId client = stage.client(), other = stage.client();
  stage.ask(client, "begin; select 1");
  stage.done(TransactionStatus::in_transaction);
  stage.ask(other, "select 'other'");
  stage.written(stage.server());
  stage.wait(5s - 1ns);
  CHECK(stage.written(stage.server()).empty());
  stage.wait(1ns);
  CHECK(contains(stage.written(stage.server()), "ROLLBACK"));
  stage.written(client);
  stage.done();
  CHECK(contains(stage.written(stage.server()), "select 'other'"));
  CHECK(stage.written(client).empty());

  // The client ends a transaction that no server has.
  stage.ask(client, "commit");
  const std::string told = stage.written(client);
  CHECK(contains(told, "ROLLBACK"));
  CHECK(told.back() == 'I');
}

TEST_CASE("a server that does not roll back in time is closed, and the client is told why") {
  Stage stage(transaction_5s);
  const ConnId client = stage.client();
  stage.ask(client, "begin; select 1");
  stage.done(TransactionStatus::in_transaction);
  stage.wait(5s);
  stage.written(client);
  for (int i = 0; i < 10; ++i) {
    CHECK_FALSE(stage.closed(client));
    stage.wait(500ms);
  }
  CHECK(stage.closed(stage.server()));
  CHECK(contains(stage.written(client), "C25P04"));
  CHECK(stage.closed(client));
}

TEST_CASE("who leaves a batch without Sync is waited for, and then closed; the server is kept") {
  Stage stage(transaction_5s);
  const ConnId client = stage.client();
  Writer batch;
  batch.begin('P').cstring("").cstring("insert into t values (1)").u16(0).end();
  batch.begin('B').cstring("").cstring("").u16(0).u16(0).u16(0).end();
  batch.begin('E').cstring("").u32(0).end();
  batch.begin('H').end();
  stage.say(client, batch.view());
  Writer answers;
  answers.begin('1').end();
  answers.begin('2').end();
  write_command_complete(answers, "INSERT 0 1");
  stage.say(stage.server(), answers.view());
  stage.wait(5s);
  stage.written(client);
  for (int i = 0; i < 9; ++i) stage.wait(500ms);
  CHECK_FALSE(stage.closed(client));
  stage.written(stage.server());
  stage.wait(500ms);
  CHECK(stage.closed(client));
  CHECK(contains(stage.written(client), "C25P04"));
  CHECK_FALSE(stage.closed(stage.server()));
  CHECK(contains(stage.written(stage.server()), "ROLLBACK"));
  CHECK(stage.counted("cancel_ignored") == 0);
}

TEST_CASE("whoever is idle is closed to the moment, counted from the last sign of life") {
  Stage stage([](PoolSettings& pool) {
    pool.client_idle_timeout = 7s;
    pool.idle_transaction_timeout = 3s;
  });
  const ConnId client = stage.client();
  stage.wait(6s);
  stage.ask(client, "begin");
  stage.wait(2s);
  stage.ask(client, "commit");
  stage.wait(7s - 1ns);
  CHECK_FALSE(stage.closed(client));
  stage.ask(client, "begin");
  stage.wait(3s - 1ns);
  CHECK_FALSE(stage.closed(client));
  stage.written(client);
  stage.wait(1ns);
  CHECK(stage.closed(client));
  CHECK(contains(stage.written(client), "C25P03"));

  const ConnId idle = stage.client();
  stage.wait(7s - 1ns);
  CHECK_FALSE(stage.closed(idle));
  stage.wait(1ns);
  CHECK(stage.closed(idle));
  CHECK(contains(stage.written(idle), "C57P05"));
  CHECK_FALSE(stage.closed(stage.server()));
}

TEST_CASE("the notice to one who waits comes once, to the moment") {
  Stage stage([](PoolSettings& pool) { pool.query_wait_notify = 2s; });
  const ConnId holder = stage.client(), waiting = stage.client();
  stage.ask(holder, "select 1");
  stage.ask(waiting, "select 2");
  stage.wait(2s - 1ns);
  CHECK(stage.written(waiting).empty());
  stage.wait(1ns);
  CHECK(contains(stage.written(waiting), "waiting for 2s"));
  stage.wait(10s);
  CHECK(stage.written(waiting).empty());
  CHECK(stage.counted("wait_notified") == 1);
}
