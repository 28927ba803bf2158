// Encryption on both sides.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "protocol/backend.h"
#include "tests/integration/servers.h"
#include "tests/support/certificates.h"

using namespace pgweir;

namespace {

const Authority& authority() {
  static const Authority made("pgweir test authority");
  return made;
}
const Authority& other_authority() {
  static const Authority made("another authority");
  return made;
}

// Files for one test, readable by pgweir and libpq.
class Files {
 public:
  std::string put(const std::string& name, const std::string& text) const {
    const std::string path = dir_ / name;
    write_file(path, text);
    std::filesystem::permissions(path,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path;
  }
  // NAME.crt and NAME.key.
  void put(const std::string& name, const Certificate& certificate) const {
    put(name + ".crt", certificate.certificate);
    put(name + ".key", certificate.key);
  }
  std::string operator/(const std::string& name) const { return dir_ / name; }

 private:
  TempDir dir_;
};

Certificate for_localhost(const Authority& issuer = authority()) {
  return issuer.issue({.common_name = "pgweir", .names = {"DNS:localhost", "IP:127.0.0.1"}});
}

std::string client_tls(const Files& files, const std::string& mode, const std::string& more = {}) {
  return "[client_tls]\nsslmode = '" + mode + "'\ncert_file = '" + (files / "own.crt") + "'\nkey_file = '" +
         (files / "own.key") + "'\n" + more;
}

PgweirSetup encrypting(const Files& files, const std::string& mode, const std::string& more = {}) {
  files.put("own", for_localhost());
  files.put("ca.crt", authority().certificate());
  PgweirSetup setup(shared_postgres());
  setup.more = client_tls(files, mode, more);
  return setup;
}

// Postgres with TLS, whose certificate is as wished.
PostgresOptions with_tls(const Certificate& certificate) {
  PostgresOptions options;
  options.configuration = {"ssl = on"};
  options.files = {{"server.crt", certificate.certificate},
                   {"server.key", certificate.key},
                   {"root.crt", authority().certificate()}};
  return options;
}

PgweirSetup to_tls(const Postgres& postgres, const Files& files, const std::string& mode,
                   const std::string& more = {}) {
  files.put("ca.crt", authority().certificate());
  PgweirSetup setup(postgres);
  setup.pool = "server_login_retry = '100ms'\nquery_wait_timeout = '10s'\n";
  setup.more = "[server_tls]\nsslmode = '" + mode + "'\nca_file = '" + (files / "ca.crt") + "'\n" + more;
  return setup;
}

bool encrypted(const PgConnection& client) { return PQsslInUse(client.raw()) == 1; }

std::string refusal(const PgweirProcess& pgweir, const std::string& more) {
  PgConnection client(pgweir.conninfo(more));
  return client.try_connect() ? "" : client.error();
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The column `tls` of the only other client or server.
std::string shown_tls(const PgweirProcess& pgweir, const std::string& command) {
  const PgResult rows = pgweir.console_exec(command);
  for (int row = 0; row < rows.rows(); ++row) {
    if (rows.value(row, "database") == "postgres") return rows.value(row, "tls");
  }
  return "nobody";
}

// TLS from the first byte on.
class DirectClient {
 public:
  DirectClient(int port, const std::string& alpn) : wire_(port) {
    context_ = SSL_CTX_new(TLS_client_method());
    ssl_ = SSL_new(context_);
    if (!alpn.empty()) {
      const std::string offered = static_cast<char>(alpn.size()) + alpn;
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(offered.data()),
                          static_cast<unsigned>(offered.size()));
    }
    SSL_set_fd(ssl_, wire_.descriptor());
  }
  ~DirectClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  DirectClient(const DirectClient&) = delete;
  DirectClient& operator=(const DirectClient&) = delete;

  bool shake_hands() { return SSL_connect(ssl_) == 1; }
  void send(const std::string& bytes) { SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())); }
  // The first byte of the answer; 0 when there is none.
  char first() {
    char byte = 0;
    return SSL_read(ssl_, &byte, 1) == 1 ? byte : '\0';
  }

 private:
  WireClient wire_;
  SSL_CTX* context_;
  SSL* ssl_;
};

// Answers whoever connects, once, with these bytes.
class LyingServer {
 public:
  explicit LyingServer(std::string answer)
      : answer_(std::move(answer)), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener_, 10) == 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] { serve(); });
  }
  ~LyingServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  LyingServer(const LyingServer&) = delete;
  LyingServer& operator=(const LyingServer&) = delete;

  int port() const { return port_; }

 private:
  void serve() const {
    for (int peer = -1; (peer = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(peer)) {
      std::array<char, 8> request;
      if (::recv(peer, request.data(), request.size(), MSG_WAITALL) != 8) continue;
      ::send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      while (::recv(peer, request.data(), request.size(), 0) > 0) {
      }
    }
  }

  const std::string answer_;
  const int listener_;
  int port_ = 0;
  std::jthread thread_;
};

const std::string startup_packet = [] {
  const std::string body = std::string("\0\3\0\0", 4) + "user" + '\0' + "postgres" + '\0' + "database" +
                           '\0' + "postgres" + '\0' + '\0';
  return std::string("\0\0\0", 3) + static_cast<char>(body.size() + 4) + body;
}();

}  // namespace

TEST_CASE("tls: the table of modes, on the side of the clients") {
  const Files files;
  struct Row {
    std::string own, client;
    bool in, encrypts;
  };
  for (const auto& [own, client, in, encrypts] :
       {Row{"disable", "disable", true, false}, Row{"disable", "prefer", true, false},
        Row{"disable", "require", false, false}, Row{"allow", "disable", true, false},
        Row{"allow", "prefer", true, true}, Row{"prefer", "require", true, true},
        Row{"require", "disable", false, false}, Row{"require", "allow", true, true},
        Row{"require", "verify-full", true, true}}) {
    const std::string modes = std::string(own) + " and " + client;
    CAPTURE(modes);
    const PgweirProcess pgweir(encrypting(files, own));
    PgConnection connection(
        pgweir.conninfo("host=localhost sslmode=" + client + " sslrootcert=" + (files / "ca.crt")));
    CHECK(connection.try_connect() == in);
    if (!in) continue;
    CHECK(encrypted(connection) == encrypts);
    CHECK(connection.value("select 1") == "1");
    const std::string shown = shown_tls(pgweir, "SHOW CLIENTS");
    CHECK(shown.starts_with("TLSv1.3/TLS_") == encrypts);
    CHECK(shown.empty() == !encrypts);
  }
}

TEST_CASE("tls: who must encrypt and does not is told how") {
  const Files files;
  const PgweirProcess pgweir(encrypting(files, "require"));
  WireClient client(pgweir.port());
  client.send_startup(0x30000, {{"user", "postgres"}, {"database", "postgres"}});
  const LoginError error = error_fields(client.read().body);
  CHECK(error.sqlstate == "28000");
  CHECK(error.message == "this connection must be encrypted");
}

TEST_CASE("tls: a client sees that it is not led elsewhere") {
  const Files files;
  const PgweirProcess pgweir(encrypting(files, "require"));
  files.put("wrong.crt", other_authority().certificate());
  CHECK(contains(refusal(pgweir, "sslmode=verify-ca sslrootcert=" + (files / "wrong.crt")), "certificate"));
  CHECK(refusal(pgweir, "sslmode=verify-full sslrootcert=" + (files / "ca.crt")).empty());
}

TEST_CASE("tls: clients show certificates where they have to") {
  const Files files;
  files.put("good", authority().issue({.common_name = "postgres"}));
  files.put("bad", other_authority().issue({.common_name = "postgres"}));
  files.put("old", authority().issue({.common_name = "postgres", .from_days = -3, .to_days = -1}));
  for (const std::string mode : {"verify-ca", "verify-full"}) {
    const PgweirProcess pgweir(encrypting(files, mode, "ca_file = '" + (files / "ca.crt") + "'\n"));
    const auto with = [&](const std::string& name) {
      return refusal(pgweir, "sslmode=require sslcert=" + (files / (name + ".crt")) +
                                 " sslkey=" + (files / (name + ".key")));
    };
    CHECK(with("good").empty());
    CHECK_FALSE(with("bad").empty());
    CHECK_FALSE(with("old").empty());
    CHECK_FALSE(refusal(pgweir, "sslmode=require sslcert=/nowhere").empty());
    CHECK_FALSE(refusal(pgweir, "sslmode=disable").empty());
    CHECK(eventually([&] { return pgweir.log_contains("certificate has expired"); }));
  }
}

TEST_CASE("tls: large results and COPY, both ways, are what they are in clear") {
  const Files files;
  const Postgres postgres(with_tls(for_localhost()));
  postgres.run("create table copied (line text)");
  PgweirSetup setup = to_tls(postgres, files, "verify-full");
  files.put("own", for_localhost());
  setup.more += client_tls(files, "require");
  const PgweirProcess pgweir(setup);
  std::vector<PgConnection> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(pgweir.connect("sslmode=require"));
  const std::string query = "select md5(i::text) || repeat('x', i % 3000) from generate_series(1, 10000) i";
  const PgResult in_clear = postgres.connect().must(query);
  for (PgConnection& client : clients) client.send(query);
  for (PgConnection& client : clients) {
    const PgResult rows = client.finish();
    REQUIRE(rows.rows() == in_clear.rows());
    bool same = true;
    for (int row = 0; row < rows.rows(); ++row) same = same && rows.value(row, 0) == in_clear.value(row, 0);
    CHECK(same);
  }
  std::string data;
  for (int i = 0; i < 100'000; ++i)
    data += "line " + std::to_string(i) + std::string(std::size_t(i % 100), '-') + "\n";
  CHECK(clients[0].exec("copy copied from stdin").status() == PGRES_COPY_IN);
  clients[0].copy_in(data);
  clients[0].copy_end();
  CHECK(clients[0].finish().ok());
  CHECK(postgres.value(
            "select md5(string_agg(line, '' order by split_part(line, ' ', 2), line)) from copied") ==
        clients[1].value(
            "select md5(string_agg(line, '' order by split_part(line, ' ', 2), line)) from copied"));
  CHECK(postgres.value("select count(*), sum(length(line)) + count(*) from copied") == "100000");
  CHECK(postgres.value("select sum(length(line)) + count(*) from copied") == std::to_string(data.size()));
}

TEST_CASE("tls: a client that does not read holds back its server, not pgweir's memory") {
  const Files files;
  const Postgres& postgres = shared_postgres();
  const PgweirProcess pgweir(encrypting(files, "require"));
  PgConnection client = pgweir.connect("sslmode=require");
  const std::size_t before = pgweir.memory();
  client.send("select repeat('x', 1000000) from generate_series(1, 100)");
  // The server stops sending, since nobody takes what it sends.
  CHECK(eventually([&] {
    return postgres.value(
               "select count(*) from pg_stat_activity where wait_event = 'ClientWrite' and state = "
               "'active'") == "1";
  }));
  if (!sanitized()) CHECK(pgweir.memory() < before + 8'000'000);
  const PgResult all = client.finish();
  CHECK(all.message() == "");
  CHECK(all.rows() == 100);
}

TEST_CASE("tls: the table of modes, on the side of the servers") {
  const Files files;
  const Postgres encrypts(with_tls(for_localhost()));
  const Postgres& clear = shared_postgres();
  struct Row {
    const Postgres* postgres;
    std::string mode;
    bool in, encrypted;
  };
  for (const auto& [postgres, mode, in, is_encrypted] :
       {Row{&encrypts, "disable", true, false}, Row{&encrypts, "allow", true, true},
        Row{&encrypts, "prefer", true, true}, Row{&encrypts, "require", true, true},
        Row{&encrypts, "verify-ca", true, true}, Row{&encrypts, "verify-full", true, true},
        Row{&clear, "prefer", true, false}, Row{&clear, "require", false, false},
        Row{&clear, "verify-full", false, false}}) {
    const std::string asked = mode;
    CAPTURE(asked);
    const PgweirProcess pgweir(to_tls(*postgres, files, mode));
    PgConnection client(pgweir.conninfo());
    CHECK(client.try_connect() == in);
    if (!in) {
      CHECK(contains(client.error(), "the server does not encrypt, and server_tls.sslmode is " + mode));
      continue;
    }
    CHECK(client.value("select ssl from pg_stat_ssl where pid = pg_backend_pid()") ==
          (is_encrypted ? "t" : "f"));
    CHECK(shown_tls(pgweir, "SHOW SERVERS").empty() == !is_encrypted);
  }
}

TEST_CASE("tls: a server that cannot prove who it is gets nothing") {
  const Files files;
  struct Row {
    Certificate certificate;
    std::string mode, words;
  };
  const Authority& good = authority();
  for (const auto& [certificate, mode, words] :
       {Row{for_localhost(other_authority()), "verify-ca", "certificate verify failed"},
        Row{good.issue({.common_name = "localhost", .names = {"DNS:elsewhere"}}), "verify-full",
            "IP address mismatch"},
        Row{good.issue(
                {.common_name = "localhost", .names = {"IP:127.0.0.1"}, .from_days = -3, .to_days = -1}),
            "verify-ca", "certificate has expired"},
        Row{good.issue({.common_name = "localhost", .names = {"IP:127.0.0.1"}, .from_days = 1, .to_days = 2}),
            "verify-ca", "certificate is not yet valid"}}) {
    const std::string expected = words;
    CAPTURE(expected);
    const Postgres postgres(with_tls(certificate));
    const PgweirProcess pgweir(to_tls(postgres, files, mode));
    PgConnection client(pgweir.conninfo());
    CHECK_FALSE(client.try_connect());
    CHECK(contains(client.error(), "TLS with the server failed"));
    CHECK(contains(client.error(), words));
    // Whoever asks for less gets in.
    const PgweirProcess trusting(to_tls(postgres, files, "require"));
    CHECK(trusting.connect().value("select 1") == "1");
  }
}

TEST_CASE("tls: what a server says in clear behind its consent is not believed") {
  const Files files;
  struct Row {
    std::string answer, words;
  };
  Writer error;
  write_error_response(
      error, {.severity = "FATAL", .sqlstate = "53300", .message = "sorry, too many clients already"});
  for (const auto& [answer, words] :
       {Row{"SR", "the server sent unencrypted data behind its consent to encrypt"},
        Row{"X", "the server gave no answer to the request for encryption"},
        Row{"Snonsense!", "the server sent unencrypted"},
        Row{error.take(), "sorry, too many clients already"}}) {
    const std::string expected = words;
    CAPTURE(expected);
    const LyingServer server(answer);
    PgweirSetup setup = to_tls(shared_postgres(), files, "prefer");
    setup.more += "[databases.liar]\nhost = '127.0.0.1'\nport = " + std::to_string(server.port()) + "\n";
    setup.pool += "server_connect_timeout = '1s'\n";
    const PgweirProcess pgweir(setup);
    PgConnection client(pgweir.conninfo("dbname=liar"));
    CHECK_FALSE(client.try_connect());
    CHECK(contains(client.error(), words));
  }
}

TEST_CASE("tls: pgweir shows its certificate to a server") {
  const Files files;
  PostgresOptions options = with_tls(for_localhost());
  options.configuration.push_back("ssl_ca_file = 'root.crt'");
  options.hba = {"hostssl all postgres 127.0.0.1/32 cert"};
  const Postgres postgres(options);
  files.put("mine", authority().issue({.common_name = "postgres"}));
  const PgweirProcess pgweir(
      to_tls(postgres, files, "verify-full",
             "cert_file = '" + (files / "mine.crt") + "'\nkey_file = '" + (files / "mine.key") + "'\n"));
  CHECK(pgweir.connect().value("select client_dn from pg_stat_ssl where pid = pg_backend_pid()") ==
        "/CN=postgres");
}

TEST_CASE("tls: a cancel finds its query, encrypted as the connection is") {
  const Files files;
  PostgresOptions options = with_tls(for_localhost());
  options.configuration.push_back("log_connections = on");
  const Postgres postgres(options);
  PgweirSetup setup = to_tls(postgres, files, "require");
  files.put("own", for_localhost());
  setup.more += client_tls(files, "require");
  const PgweirProcess pgweir(setup);
  PgConnection client = pgweir.connect("sslmode=require");
  client.send("select pg_sleep(60)");
  REQUIRE(eventually([&] {
    return postgres.value(
               "select count(*) from pg_stat_activity where query = 'select pg_sleep(60)' and "
               "state = 'active'") == "1";
  }));
  client.cancel();
  CHECK(client.finish().sqlstate() == "57014");
  CHECK(client.value("select 1") == "1");
}

TEST_CASE("tls: without SSLRequest, for who says what it wants to speak") {
  const Files files;
  const PgweirProcess pgweir(encrypting(files, "require"));
  DirectClient good(pgweir.port(), "postgresql");
  REQUIRE(good.shake_hands());
  good.send(startup_packet);
  CHECK(good.first() == 'R');
  DirectClient silent(pgweir.port(), "");
  if (silent.shake_hands()) {
    silent.send(startup_packet);
    CHECK(silent.first() == '\0');
  }
  DirectClient other(pgweir.port(), "h2");
  if (other.shake_hands()) CHECK(other.first() == '\0');
  // Where nobody encrypts, that is no startup packet.
  const PgweirProcess clear{PgweirSetup(shared_postgres())};
  DirectClient refused(clear.port(), "postgresql");
  CHECK_FALSE(refused.shake_hands());
}

TEST_CASE("tls: bytes in clear behind a request for encryption are nobody's") {
  const Files files;
  const PgweirProcess pgweir(encrypting(files, "prefer"));
  WireClient client(pgweir.port());
  client.send_raw(std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8) + startup_packet);
  CHECK(error_fields(client.read().body).message ==
        "received unencrypted data after a request for encryption");
  // Nonsense where a handshake is due ends the connection, and nothing else.
  WireClient nonsense(pgweir.port());
  nonsense.send_raw(std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8));
  CHECK(nonsense.read_byte() == 'S');
  nonsense.send_raw(startup_packet);
  std::optional<char> byte = nonsense.read_byte();
  while (byte) byte = nonsense.read_byte();  // an alert, and the end
  CHECK(eventually([&] { return pgweir.log_contains("TLS failed"); }));
  CHECK(pgweir.connect("sslmode=require").value("select 1") == "1");
}

TEST_CASE("tls: a reload takes new files, keeps who is connected, and refuses what cannot be used") {
  const Files files;
  const PgweirProcess pgweir(encrypting(files, "require"));
  PgConnection before = pgweir.connect("sslmode=require");
  const std::string verify = "sslmode=verify-ca sslrootcert=" + (files / "ca.crt");
  CHECK(refusal(pgweir, verify).empty());

  files.put("own.key", "nonsense");
  const PgResult refused = pgweir.console().exec("RELOAD");
  CHECK_FALSE(refused.ok());
  CHECK(contains(refused.message(), "client_tls.key_file"));
  CHECK(refusal(pgweir, verify).empty());

  files.put("own", for_localhost(other_authority()));
  CHECK(pgweir.console_exec("RELOAD").ok());
  CHECK(eventually([&] { return !refusal(pgweir, verify).empty(); }));
  files.put("ca.crt", other_authority().certificate());
  CHECK(refusal(pgweir, verify).empty());
  CHECK(before.value("select 1") == "1");
}

TEST_CASE("tls: versions and ciphers are the operator's choice") {
  const Files files;
  const PgweirProcess old(encrypting(files, "require", "protocols = 'tlsv1.2'\nciphers = 'ECDHE+AESGCM'\n"));
  CHECK(refusal(old, "sslmode=require").empty());
  CHECK_FALSE(refusal(old, "sslmode=require ssl_min_protocol_version=TLSv1.3").empty());
  PgConnection client = old.connect("sslmode=require");
  CHECK(shown_tls(old, "SHOW CLIENTS").starts_with("TLSv1.2/ECDHE-ECDSA-AES"));
  const PgweirProcess young(encrypting(files, "require", "protocols = 'tlsv1.3'\n"));
  CHECK_FALSE(refusal(young, "sslmode=require ssl_max_protocol_version=TLSv1.2").empty());
}
