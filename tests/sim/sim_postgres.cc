#include "tests/sim/sim_postgres.h"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "protocol/digest.h"
#include "protocol/writer.h"

namespace pgweir::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t protocol_3_0 = 196608;
constexpr std::uint32_t ssl_request = 80877103;
constexpr std::uint32_t gss_request = 80877104;
constexpr std::uint32_t cancel_request = 80877102;

}  // namespace

// One server process.
class SimPostgres::Backend : public SocketUser {
 public:
  enum class State : std::uint8_t { startup, password, running, ended };

  Backend(SimPostgres& postgres, std::uint32_t pid) : postgres_(postgres), pid_(pid) {}

  void on_readable(SocketId) override { work(); }
  void on_writable(SocketId) override { work(); }

  void work();
  void on_startup(const Message& message);
  void parse_startup(Reader in);
  void on_password(const Message& message);
  void welcome();
  void run_session();
  void publish();
  void hear();
  void tell_notifications();
  bool listens_for_pool() const { return settings_.at("application_name") == "pgweir listener"; }
  void wake();
  void send(char type, Bytes body) { out_ += Writer().begin(type).bytes(body).end().view(); }
  void fatal(Bytes code, Bytes text);
  void push();
  bool read_more();
  void end(bool reset = false);

  SimPostgres& postgres_;
  std::uint32_t pid_;
  std::uint32_t secret_ = 0;
  SocketId socket_ = no_socket;
  State state_ = State::startup;
  MessageBuffer in_;
  std::string out_;          // kept back until something flushes it
  std::size_t flushed_ = 0;  // of it, what is to be written
  std::string database_, user_;
  ToySettings settings_;
  std::string salt_;
  std::unique_ptr<ToySession> session_;
  bool asleep_ = false;
  bool ending_ = false;  // to be closed once everything is written
  int naps_ = 0;
  struct Heard {
    std::string channel, body;
  };
  std::deque<Heard> heard_;  // notifications in the order of their commits
  bool heard_due_ = false;   // to be told as soon as it is idle
};

void SimPostgres::Backend::work() {
  while (state_ != State::ended) {
    push();
    if (flushed_ > 0) return;
    if (ending_) return end();
    switch (state_) {
      case State::startup:
      case State::password: {
        if (const auto message = in_.next(state_ == State::password)) {
          if (state_ == State::startup) {
            on_startup(*message);
          } else {
            on_password(*message);
          }
          continue;
        }
        if (in_.broken()) return end();
        if (!read_more()) return;
        continue;
      }
      case State::running:
        if (session_->sleeping()) return;
        if (session_->step()) {
          run_session();
          continue;
        }
        if (const auto message = in_.next(true)) {
          postgres_.schedule_.trace("server %u gets %c %s", pid_, message->type,
                                    printable(message->body, 60).c_str());
          session_->feed(message->type, message->body);
          continue;
        }
        if (in_.broken()) {
          fatal("08P01", "invalid message length");
          continue;
        }
        if (!read_more()) return;
        continue;
      case State::ended:
        return;
    }
  }
}

// Takes more bytes from the network; false when there are none, or no more ever.
bool SimPostgres::Backend::read_more() {
  std::array<char, 8192> space;
  const std::size_t size = postgres_.net_.read(socket_, space);
  if (size > 0) {
    in_.append({space.data(), size});
    return true;
  }
  if (postgres_.net_.state(socket_) != StreamState::open) end();
  return false;
}

void SimPostgres::Backend::on_startup(const Message& message) {
  Reader in(message.body);
  const std::uint32_t code = in.u32();
  if (code == ssl_request || code == gss_request) {
    out_ += 'N';
    flushed_ = out_.size();
    return;
  }
  if (code == cancel_request) {
    const std::uint32_t pid = in.u32();
    const std::uint32_t secret = in.u32();
    // Settled before the connection closes, as the postmaster does it.
    postgres_.cancel(pid, secret);
    return end();
  }
  if (code != protocol_3_0) return fatal("0A000", "unsupported frontend protocol");
  parse_startup(in);
}

void SimPostgres::Backend::parse_startup(Reader in) {
  settings_ = default_settings();
  while (in.ok() && in.left() > 1) {
    const std::string name(in.cstring());
    const std::string value(in.cstring());
    if (name == "user") {
      user_ = value;
    } else if (name == "database") {
      database_ = value;
    } else if (name == "options" && value.starts_with("-c search_path=")) {
      settings_["search_path"] = value.substr(value.find('=') + 1);
    } else if (const std::string known = setting_name(name); !known.empty()) {
      settings_[known] = value;
    } else if (!name.starts_with("_pq_.") && name != "replication") {
      return fatal("42704", "unrecognized configuration parameter \"" + name + "\"");
    }
  }
  if (user_.empty()) return fatal("28000", "no PostgreSQL user name specified in startup packet");
  settings_["session_authorization"] = user_;
  switch (postgres_.auth_) {
    case ServerAuth::trust:
      return welcome();
    case ServerAuth::cleartext:
      send('R', Writer().u32(3).take());
      break;
    case ServerAuth::md5:
      salt_ = Writer().u32(static_cast<std::uint32_t>(postgres_.random_.next())).take();
      send('R', Writer().u32(5).bytes(salt_).take());
      break;
  }
  flushed_ = out_.size();
  state_ = State::password;
}

void SimPostgres::Backend::on_password(const Message& message) {
  const std::string given(Reader(message.body).cstring());
  std::string wanted = password_of(user_);
  if (postgres_.auth_ == ServerAuth::md5) {
    wanted = "md5" + md5_hex(md5_hex(wanted + user_).value_or("") + salt_).value_or("");
  }
  if (message.type != 'p' || given != wanted)
    return fatal("28P01", "password authentication failed for user \"" + user_ + "\"");
  welcome();
}

void SimPostgres::Backend::welcome() {
  if (postgres_.phase_ == Phase::starting) return fatal("57P03", "the database system is starting up");
  if (postgres_.count(nullptr, nullptr) >= postgres_.max_connections_)
    return fatal("53300", "sorry, too many clients already");
  state_ = State::running;
  session_ = std::make_unique<ToySession>(settings_, std::to_string(pid_));
  send('R', Writer().u32(0).take());
  session_->report_all();
  for (const Message& message : session_->take_output()) send(message.type, message.body);
  send('K', Writer().u32(pid_).u32(secret_).take());
  send('Z', "I");
  flushed_ = out_.size();
  postgres_.log_in(*this);
}

void SimPostgres::Backend::run_session() {
  for (const Message& message : session_->take_output()) {
    if (message.type == 'Z' && message.body == "I") publish();
    send(message.type, message.body);
  }
  // What PostgreSQL's output buffer holds is sent when it is full, too.
  if (session_->take_flush() || out_.size() > 8192) flushed_ = out_.size();
  if (const std::string complaint = session_->take_complaint(); !complaint.empty()) {
    postgres_.schedule_.fail("I4: on server " + std::to_string(pid_) + " " + complaint);
  }
  if (session_->terminated()) ending_ = true;
  if (session_->sleeping()) {
    const int nap = ++naps_;
    postgres_.schedule_.after(session_->sleep(), [this, nap] {
      if (state_ == State::running && nap == naps_ && session_->sleeping()) wake();
    });
  }
}

// At the end of a transaction: who has sent something tells its own client all that came before it as well.
void SimPostgres::Backend::publish() {
  const auto notifies = session_->take_notifies();
  for (const ToySession::Notify& one : notifies) postgres_.publish(*this, one.channel, one.payload);
  if (!notifies.empty() || heard_due_) tell_notifications();
}

void SimPostgres::Backend::tell_notifications() {
  heard_due_ = false;
  for (const Heard& one : std::exchange(heard_, {})) {
    if (session_->channels().contains(one.channel)) send('A', one.body);
  }
}

// The signal of somebody who has sent a notification.
void SimPostgres::Backend::hear() {
  if (state_ != State::running || heard_.empty()) return;
  heard_due_ = true;
  if (!session_->at_rest()) return;
  tell_notifications();
  flushed_ = out_.size();
  work();
}

void SimPostgres::publish(const Backend& sender, const std::string& channel, const std::string& payload) {
  if (!channel.starts_with("pgweir_")) {
    ++checks_.counts.notifications;
    checks_.notified(sender.database_, channel, payload);
  }
  const std::string body = Writer().u32(sender.pid_).cstring(channel).cstring(payload).take();
  for (const auto& one : backends_) {
    Backend& backend = *one;
    if (backend.state_ != Backend::State::running || backend.database_ != sender.database_) continue;
    if (!backend.session_->channels().contains(channel)) continue;
    backend.heard_.push_back({channel, body});
    if (&backend != &sender)
      schedule_.after(random_.up_to(random_.chance(200) ? 20ms : 1ms), [&backend] { backend.hear(); });
  }
}

void SimPostgres::Backend::wake() {
  session_->wake();
  run_session();
  work();
}

void SimPostgres::Backend::fatal(Bytes code, Bytes text) {
  send('E', error_body("FATAL", code, text));
  flushed_ = out_.size();
  ending_ = true;
}

void SimPostgres::Backend::push() {
  while (flushed_ > 0) {
    const std::size_t size = postgres_.net_.write(socket_, Bytes(out_).substr(0, flushed_));
    if (size == 0) {
      if (postgres_.net_.gone(socket_)) end();
      return;
    }
    out_.erase(0, size);
    flushed_ -= size;
  }
}

void SimPostgres::Backend::end(bool reset) {
  if (state_ == State::ended) return;
  state_ = State::ended;
  out_.clear();
  flushed_ = 0;
  if (reset) {
    postgres_.net_.reset(socket_);
  } else {
    postgres_.net_.close(socket_);
  }
  if (session_) postgres_.schedule_.trace("server %u ends", pid_);
}

// ---- the postmaster ----

SimPostgres::SimPostgres(Schedule& schedule, SimNet& net, Checks& checks, ServerAuth auth,
                         int max_connections)
    : schedule_(schedule),
      net_(net),
      checks_(checks),
      random_(schedule.random().fork()),
      auth_(auth),
      max_connections_(max_connections) {}

SimPostgres::~SimPostgres() = default;

SimPostgres::Door SimPostgres::door() {
  if (phase_ == Phase::down || random_.chance(refuse_)) return Door::refused;
  return random_.chance(silent_) ? Door::silent : Door::open;
}

SocketUser* SimPostgres::new_backend() {
  backends_.push_back(std::make_unique<Backend>(*this, next_pid_++));
  backends_.back()->secret_ = static_cast<std::uint32_t>(random_.next());
  return backends_.back().get();
}

void SimPostgres::accepted(SocketUser* backend, SocketId socket) {
  static_cast<Backend*>(backend)->socket_ = socket;
  if (phase_ == Phase::down) return static_cast<Backend*>(backend)->end(true);
  // A login that hangs: nothing is read until long after anybody waits for it.
  if (random_.chance(login_stall_)) {
    net_.set_reading(socket, false);
    schedule_.after(30s, [this, socket, backend] {
      if (static_cast<Backend*>(backend)->state_ != Backend::State::ended) net_.set_reading(socket, true);
    });
  }
}

void SimPostgres::set_trouble(unsigned refuse, unsigned silent, unsigned login_stall) {
  refuse_ = refuse;
  silent_ = silent;
  login_stall_ = login_stall;
}

void SimPostgres::log_in(Backend& backend) {
  schedule_.trace("server %u logs in: %s/%s", backend.pid_, backend.database_.c_str(), backend.user_.c_str());
  if (backend.listens_for_pool()) return;
  checks_.server_logged_in(backend.database_, backend.user_, count(&backend.database_, &backend.user_),
                           count(&backend.database_, nullptr), count(nullptr, &backend.user_));
}

// Connections whose other end has not closed: what the proxy holds now, by its own account.
int SimPostgres::count(const std::string* database, const std::string* user) const {
  return static_cast<int>(std::count_if(backends_.begin(), backends_.end(), [&](const auto& backend) {
    return backend->state_ == Backend::State::running && !net_.gone(net_.peer(backend->socket_)) &&
           !net_.gone(backend->socket_) && !backend->listens_for_pool() &&
           (database == nullptr || backend->database_ == *database) &&
           (user == nullptr || backend->user_ == *user);
  }));
}

void SimPostgres::cancel(std::uint32_t pid, std::uint32_t secret) {
  for (const auto& backend : backends_) {
    if (backend->pid_ != pid || backend->state_ != Backend::State::running) continue;
    if (backend->secret_ != secret) break;
    const Owner owner = backend->session_->running();
    schedule_.trace("cancel reaches server %u, which runs c%d s%d", pid, owner.client, owner.serial);
    if (!owner.known()) return;
    checks_.cancel_hit(owner);
    if (!backend->session_->sleeping()) return backend->session_->interrupt_copy();
    backend->session_->interrupt("57014", "canceling statement due to user request");
    backend->run_session();
    backend->work();
    return;
  }
  schedule_.trace("cancel with a key that fits nobody: %u", pid);
}

void SimPostgres::kill_some_backend() {
  std::vector<Backend*> running;
  for (const auto& backend : backends_) {
    if (backend->state_ == Backend::State::running) running.push_back(backend.get());
  }
  if (running.empty()) return;
  Backend& victim = *running[random_.below(running.size())];
  schedule_.trace("server %u is killed", victim.pid_);
  if (random_.chance(300)) return victim.end(true);
  victim.session_ = std::make_unique<ToySession>(ToySettings{}, "");
  victim.heard_.clear();
  ++victim.naps_;
  victim.out_.resize(victim.flushed_);
  victim.fatal("57P01", "terminating connection due to administrator command");
  victim.work();
}

void SimPostgres::crash(Duration down, Duration starting) {
  schedule_.trace("the server crashes");
  for (const auto& backend : backends_) backend->end(random_.chance(700));
  phase_ = Phase::down;
  const int crash = ++crashes_;
  schedule_.after(down, [this, crash] {
    if (crash == crashes_) phase_ = Phase::starting;
  });
  schedule_.after(down + starting, [this, crash] {
    if (crash != crashes_) return;
    phase_ = Phase::up;
    schedule_.trace("the server is up");
  });
}

bool SimPostgres::at_rest(std::int32_t pid) const {
  return std::any_of(backends_.begin(), backends_.end(), [&](const auto& backend) {
    return backend->pid_ == static_cast<std::uint32_t>(pid) && backend->state_ == Backend::State::running &&
           backend->session_->at_rest() && !backend->session_->unclear() &&
           !backend->session_->state().holds() && backend->in_.size() == 0 && backend->out_.empty() &&
           !backend->ending_ && !net_.gone(backend->socket_) && net_.quiet(backend->socket_);
  });
}

std::string SimPostgres::encoding_of(std::int32_t pid) const {
  for (const auto& backend : backends_) {
    if (backend->pid_ == static_cast<std::uint32_t>(pid)) return backend->settings_.at("client_encoding");
  }
  return {};
}

std::string SimPostgres::restless() const {
  for (const auto& backend : backends_) {
    if (backend->state_ != Backend::State::running || net_.gone(net_.peer(backend->socket_))) continue;
    const ToySession& session = *backend->session_;
    if (session.in_transaction() || session.sleeping() || session.copying_in()) {
      return "server " + std::to_string(backend->pid_) + " is still in a transaction";
    }
  }
  return {};
}

}  // namespace pgweir::sim
