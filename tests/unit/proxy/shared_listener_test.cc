// The listening connection of a database, with the hubs and the server played by hand. The hubs are those of
// another worker.

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "admin/settings_table.h"
#include "protocol/backend.h"
#include "proxy/session/worker_core.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

using Channels = std::vector<std::string>;

constexpr WorkerId worker_of_hubs{1};

class ListeningWorker final : public Host {
 public:
  ListeningWorker() {
    auto settings = std::make_shared<Settings>(settings_by_default());
    settings->databases["*"] = database_by_default("*");
    core_ = std::make_unique<WorkerCore>(WorkerId{0}, 2, *this, settings, "secret", now_);
  }

  // A wish of hub `hub`, which logs in as the user "u" and its number.
  ListenWish wish(std::uint64_t hub, Channels listen, Channels unlisten = {}) {
    ListenWish made{.listener = {"d", "UTF8"}, .from = {worker_of_hubs, hub}, .number = ++wishes_[hub]};
    if (made.number == 1) made.access = access("u" + std::to_string(hub));
    made.listen = std::move(listen);
    made.unlisten = std::move(unlisten);
    made.own_channel = "own" + std::to_string(hub);
    return made;
  }
  std::shared_ptr<const ServerAccess> access(const std::string& user,
                                             std::vector<Endpoint> hosts = {{"10.0.0.1", 5432}}) {
    return std::make_shared<const ServerAccess>(
        ServerAccess{.route = {"d", user},
                     .target = {.hosts = std::move(hosts), .dbname = {}, .user = {}, .password = {}}});
  }
  void mail(WorkerMail letter) {
    turn([&] { core_->on_mail(std::move(letter)); });
  }
  void wait(Duration span) {
    now_ += span;
    turn([] {});
  }

  // ---- the server ----
  ConnId connection() const { return dialed_.back(); }
  const Endpoint& endpoint() const { return endpoint_; }
  std::size_t dials() const { return dialed_.size(); }
  bool open() const { return !dialed_.empty() && !closed_.contains(connection()); }
  void say(const Writer& out) {
    const Bytes bytes = out.view();
    turn([&] {
      const auto space = core_->arena().read_space();
      std::memcpy(space.data(), bytes.data(), bytes.size());
      core_->on_bytes(connection(), core_->arena().commit(bytes.size()));
    });
  }
  void connect() {
    turn([&] { core_->on_dialed(connection(), {.connected = true, .error = {}, .peer = {}}); });
  }
  void log_in() {
    connect();
    startup_ = sent();
    Writer out;
    write_authentication_ok(out);
    write_backend_key_data(out, 77, "abcd");
    write_ready_for_query(out, TransactionStatus::idle);
    say(out);
  }
  void refuse_login(const char* sqlstate) {
    connect();
    startup_ = sent();
    Writer out;
    write_error_response(out, {.severity = "FATAL", .sqlstate = sqlstate, .message = "no"});
    say(out);
  }
  bool logs_in_as(const std::string& user) const {
    return startup_.find("user" + std::string(1, '\0') + user) != std::string::npos;
  }
  // What was sent to it since this was asked last.
  std::string sent() { return std::exchange(written_[connection()], {}); }
  bool asks(const std::string& sql) { return sent().find(sql) != std::string::npos; }
  void done() {
    Writer out;
    write_ready_for_query(out, TransactionStatus::idle);
    say(out);
  }
  void notify(const std::string& channel, const std::string& payload) {
    Writer out;
    out.begin('A').u32(99).cstring(channel).cstring(payload).end();
    say(out);
  }
  void vanish() {
    closed_.insert(connection());
    turn([&] { core_->on_closed(connection(), ""); });
  }
  bool reads() const { return !not_read_.contains(connection()); }

  // ---- the hubs ----
  // What hub `hub` was told since this was asked last: "confirmed 1", "lost", or the payload.
  Channels told(std::uint64_t hub) { return std::exchange(told_[hub], {}); }
  std::vector<ListenPace> paces;
  std::size_t bytes_told = 0;

  // Host
  void dial(ConnId conn, const Endpoint& endpoint) override {
    dialed_.push_back(conn);
    endpoint_ = endpoint;
  }
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
  void set_reading(ConnId conn, bool reading) override {
    if (reading) {
      not_read_.erase(conn);
    } else {
      not_read_.insert(conn);
    }
  }
  void close(ConnId conn, Outbox& outbox) override {
    write(conn, outbox);
    closed_.insert(conn);
  }
  void abort(ConnId conn, Outbox& outbox) override { close(conn, outbox); }
  void post(WorkerId worker, WorkerMail letter) override {
    CHECK(worker == worker_of_hubs);
    if (const auto* const pace = std::get_if<ListenPace>(&letter)) return paces.push_back(*pace);
    const auto& one = std::get<ListenTold>(letter);
    std::string text = "lost";
    if (one.what == ListenTold::What::confirmed) text = "confirmed " + std::to_string(one.wish);
    if (one.what == ListenTold::What::notified) {
      bytes_told += one.message->size();
      text = read_notification_response(Bytes(*one.message).substr(5))->payload;
    }
    told_[one.hub].push_back(std::move(text));
  }
  void post_control(ControlMail) override {}
  void derive_key(KeyWanted) override {}
  void random(std::span<char> bytes) override { std::fill(bytes.begin(), bytes.end(), 'r'); }
  void log(LogLine) override {}

 private:
  template <class Input>
  void turn(Input input) {
    core_->begin_turn(now_);
    input();
    core_->end_turn();
  }

  Instant now_{1000s};
  std::map<std::uint64_t, std::uint64_t> wishes_;
  std::map<std::uint64_t, Channels> told_;
  std::vector<ConnId> dialed_;
  Endpoint endpoint_;
  std::string startup_;
  std::map<ConnId, std::string> written_;
  std::set<ConnId> closed_, not_read_;
  std::unique_ptr<WorkerCore> core_;
};

}  // namespace

TEST_CASE("a listener asks for what its hubs want together, and tells each how far it is") {
  ListeningWorker worker;
  worker.mail(worker.wish(1, {"own1", "a"}));
  worker.mail(worker.wish(2, {"own2", "a", "b"}));
  CHECK(worker.dials() == 1);
  worker.log_in();
  CHECK(worker.asks(R"(LISTEN "a";LISTEN "b";LISTEN "own1";LISTEN "own2";)"));
  CHECK(worker.told(1).empty());
  // What comes while a query runs is none of it.
  worker.mail(worker.wish(2, {"c"}));
  worker.done();
  CHECK(worker.told(1) == Channels{"confirmed 1"});
  CHECK(worker.told(2) == Channels{"confirmed 1"});
  CHECK(worker.asks(R"(LISTEN "c";)"));
  worker.done();
  CHECK(worker.told(1).empty());
  CHECK(worker.told(2) == Channels{"confirmed 2"});
  // What is listened to already needs no query.
  worker.mail(worker.wish(1, {"c"}));
  CHECK(worker.told(1) == Channels{"confirmed 2"});
  CHECK(worker.sent().empty());

  worker.notify("a", "1");
  worker.notify("b", "2");
  worker.notify("own1", "3");
  CHECK(worker.told(1) == Channels{"1", "3"});
  CHECK(worker.told(2) == Channels{"1", "2"});
}

TEST_CASE("a channel that is left and wanted again is listened to anew before that is confirmed") {
  ListeningWorker worker;
  worker.mail(worker.wish(1, {"own1", "a"}));
  worker.log_in();
  worker.done();
  worker.sent();
  CHECK(worker.told(1) == Channels{"confirmed 1"});
  worker.mail(worker.wish(1, {}, {"a"}));
  CHECK(worker.asks(R"(UNLISTEN "a";)"));
  worker.mail(worker.wish(1, {"a"}));
  worker.done();
  CHECK(worker.told(1) == Channels{"confirmed 2"});
  CHECK(worker.asks(R"(LISTEN "a";)"));
  worker.done();
  CHECK(worker.told(1) == Channels{"confirmed 3"});
  // Left and wanted before the server was asked: nothing is to be done.
  worker.mail(worker.wish(2, {"own2"}));
  worker.mail(worker.wish(1, {}, {"a"}));
  worker.mail(worker.wish(1, {"a"}));
  worker.sent();
  worker.done();
  CHECK(worker.sent().empty());
  CHECK(worker.told(1) == Channels{"confirmed 5"});
}

TEST_CASE("a lost listener tells its hubs, listens anew, and then sends their tokens") {
  ListeningWorker worker;
  worker.mail(worker.wish(1, {"own1", "a"}));
  worker.log_in();
  worker.done();
  worker.told(1);
  worker.vanish();
  CHECK(worker.told(1) == Channels{"lost"});
  // One for the connection that is gone; its hub says it again when the next one is there.
  ListenWish late = worker.wish(1, {"b"});
  late.tokens = {6};
  worker.mail(late);
  worker.wait(100ms);
  CHECK(worker.dials() == 2);
  worker.log_in();
  CHECK(worker.asks(R"(LISTEN "a";LISTEN "b";LISTEN "own1";)" + std::string(1, '\0')));
  ListenWish again = worker.wish(1, {"c"});
  again.tokens = {6, 7};
  worker.mail(again);
  worker.done();
  CHECK(worker.told(1) == Channels{"confirmed 2"});
  CHECK(worker.asks(R"(LISTEN "c";NOTIFY "own1",'6';NOTIFY "own1",'7';)"));
  worker.done();
  CHECK(worker.told(1) == Channels{"confirmed 3"});
}

TEST_CASE("a listener is closed when its last hub has left") {
  ListeningWorker worker;
  worker.mail(worker.wish(1, {"own1", "a"}));
  worker.mail(worker.wish(2, {"own2", "b"}));
  worker.log_in();
  worker.done();
  worker.sent();
  ListenWish bye = worker.wish(1, {});
  bye.leaves = true;
  worker.mail(bye);
  CHECK(worker.open());
  CHECK(worker.asks(R"(UNLISTEN "a";UNLISTEN "own1";)"));
  worker.done();
  bye = worker.wish(2, {});
  bye.leaves = true;
  worker.mail(bye);
  CHECK_FALSE(worker.open());
}

TEST_CASE("when one user is not let in the login of another one is tried") {
  ListeningWorker worker;
  worker.mail(worker.wish(1, {"own1"}));
  worker.mail(worker.wish(2, {"own2"}));
  worker.refuse_login("28000");
  CHECK(worker.logs_in_as("u1"));
  worker.wait(100ms);
  // Too many connections: that is not for who it is.
  worker.refuse_login("53300");
  CHECK(worker.logs_in_as("u2"));
  worker.wait(100ms);
  worker.refuse_login("28P01");
  CHECK(worker.logs_in_as("u2"));
  worker.wait(200ms);
  worker.log_in();
  CHECK(worker.logs_in_as("u1"));
  worker.done();
  CHECK(worker.told(2) == Channels{"confirmed 1"});
}

TEST_CASE("a listener goes to the host of the clients' LISTENs, and to the next one when it fails") {
  ListeningWorker worker;
  const Endpoint first{"10.0.0.1", 5432}, second{"10.0.0.2", 5432};
  ListenWish wish = worker.wish(1, {"own1"});
  wish.access = worker.access("u1", {first, second});
  wish.host = second;
  worker.mail(wish);
  CHECK(worker.endpoint() == second);
  worker.refuse_login("57P03");
  worker.wait(100ms);
  CHECK(worker.endpoint() == first);
  worker.log_in();
  worker.done();
  // Clients that LISTEN elsewhere, or a host that has become something else.
  wish = worker.wish(1, {});
  wish.host = second;
  worker.mail(wish);
  CHECK(worker.told(1) == Channels{"confirmed 1", "lost"});
  CHECK(worker.endpoint() == second);
  worker.log_in();
  worker.done();
  wish = worker.wish(1, {});
  wish.changed = first;
  worker.mail(wish);
  CHECK(worker.open());
  wish = worker.wish(1, {});
  wish.changed = second;
  worker.mail(wish);
  CHECK(worker.told(1) == Channels{"confirmed 2", "confirmed 3", "lost"});
}

TEST_CASE("a listener follows its pool elsewhere, and is not moved by what does not concern it") {
  ListeningWorker worker;
  worker.mail(worker.wish(1, {"own1"}));
  worker.mail(worker.wish(2, {"own2"}));
  worker.log_in();
  worker.done();
  ListenWish wish = worker.wish(2, {});
  auto password = *worker.access("u2");
  password.target.password = "new";
  wish.access = std::make_shared<const ServerAccess>(password);
  worker.mail(wish);
  CHECK(worker.dials() == 1);
  wish = worker.wish(2, {});
  wish.access = worker.access("u2", {{"10.0.0.7", 5432}});
  worker.mail(wish);
  CHECK(worker.dials() == 2);
  CHECK(worker.endpoint().host == "10.0.0.7");
  worker.log_in();
  CHECK(worker.logs_in_as("u2"));
  // The other pool is told of the same a moment later.
  wish = worker.wish(1, {});
  wish.access = worker.access("u1", {{"10.0.0.7", 5432}});
  worker.mail(wish);
  CHECK(worker.dials() == 2);
}

TEST_CASE("a listener is not read while a worker does not keep up") {
  ListeningWorker worker;
  worker.mail(worker.wish(1, {"own1", "a"}));
  worker.log_in();
  worker.done();
  const std::string text(8000, 'x');
  int sent = 0;
  for (; worker.reads(); ++sent) {
    REQUIRE(sent < 1000);
    worker.notify("a", text);
  }
  CHECK(worker.bytes_told < (1 << 20) + 8 * text.size());
  CHECK(worker.paces.size() == 4);
  CHECK(worker.told(1).size() == static_cast<std::size_t>(sent) + 1);
  ListenPace back = worker.paces.front();
  back.kept = true;
  // Of a listener that was there before.
  ListenPace foreign = back;
  ++foreign.number;
  worker.mail(foreign);
  CHECK_FALSE(worker.reads());
  worker.mail(back);
  CHECK(worker.reads());
}
