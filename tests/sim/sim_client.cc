#include "tests/sim/sim_client.h"

#include <algorithm>
#include <array>

#include "protocol/writer.h"

namespace pgweir::sim {

using namespace std::chrono_literals;

// A connection that carries one CancelRequest.
class SimClient::Canceler : public SocketUser {
 public:
  Canceler(SimNet& net, const Connect& connect, Bytes key) : net_(net) {
    out_ = Writer().begin(0).u32(80877102).bytes(key).end().view();
    socket_ = connect(this);
    on_writable(socket_);
  }

  void on_readable(SocketId socket) override {
    std::array<char, 64> space;
    while (net_.read(socket, space) > 0) {
    }
    if (net_.state(socket) == StreamState::open) return;
    closed_ = true;
    net_.close(socket);
  }
  void on_writable(SocketId socket) override { out_.erase(0, net_.write(socket, out_)); }
  bool closed() const { return closed_; }

 private:
  SimNet& net_;
  SocketId socket_ = no_socket;
  std::string out_;
  bool closed_ = false;
};

SimClient::SimClient(Schedule& schedule, SimNet& net, Checks& checks, const ClientRules& rules,
                     const ClientTraits& traits, Connect connect)
    : schedule_(schedule),
      net_(net),
      checks_(checks),
      rules_(rules),
      traits_(traits),
      connect_(std::move(connect)),
      random_(schedule.random().fork()),
      script_(random_.fork(), traits.id),
      units_left_(traits.units) {
  script_.set_style(traits.style);
}

SimClient::~SimClient() = default;

void SimClient::start(Duration delay) { away(delay); }

bool SimClient::finished() const {
  return state_ == State::finished &&
         std::all_of(cancelers_.begin(), cancelers_.end(), [](const auto& one) { return one->closed(); });
}

std::string SimClient::where() const {
  static constexpr std::array<const char*, 6> names{"away",    "asking for TLS", "logging in",
                                                    "working", "leaving",        "finished"};
  std::string text = "client " + std::to_string(traits_.id) + " (" + traits_.database + "/" + traits_.user +
                     ") is " + names[static_cast<std::size_t>(state_)] + ", " + std::to_string(units_left_) +
                     " units left";
  if (model_ && model_->doomed()) text += ", its server is lost";
  if (!plan_.empty()) text += ", at action " + std::to_string(static_cast<int>(plan_.front().kind));
  if (!finished() && state_ == State::finished) text += ", a cancel connection is open";
  return text;
}

void SimClient::fail(const std::string& reason) {
  schedule_.fail("client " + std::to_string(traits_.id) + " (" + traits_.database + "/" + traits_.user +
                 "): " + reason);
}

// Calls back unless the session has ended by then.
void SimClient::later(Duration delay, void (SimClient::*then)()) {
  schedule_.after(delay, [this, then, session = session_] {
    if (session == session_) (this->*then)();
  });
}

// ---- sessions ----

void SimClient::away(Duration pause) {
  state_ = State::away;
  ++session_;
  later(pause, &SimClient::connect);
}

void SimClient::connect() {
  in_ = {};
  out_.clear();
  plan_.clear();
  pausing_ = reading_due_ = close_when_sent_ = false;
  model_.reset();
  awaited_.reset();
  settings_ = default_settings();
  units_in_session_ = random_.between(1, random_.chance(300) ? 2 : 12);
  leaves_badly_ = traits_.rude && random_.chance(500);
  socket_ = connect_(this);
  schedule_.trace("client %d connects", traits_.id);
  checks_.session_began(traits_.id, script_.next_serial());
  if (random_.chance(200)) {
    state_ = State::asking_tls;
    out_ = Writer().begin(0).u32(random_.chance(500) ? 80877103 : 80877104).end().view();
    push();
  } else {
    send_startup();
  }
  if (leaves_badly_ && random_.chance(100)) later(random_.up_to(5ms), &SimClient::cut_short);
}

void SimClient::send_startup() {
  state_ = State::login;
  Writer out;
  out.begin(0)
      .u32(196608)
      .cstring("user")
      .cstring(traits_.user)
      .cstring("database")
      .cstring(traits_.database);
  settings_["session_authorization"] = traits_.user;
  const auto set = [&](Bytes sent_as, const char* name, Bytes value) {
    out.cstring(sent_as).cstring(value);
    settings_[name] = value;
  };
  if (random_.chance(700))
    set("application_name", "application_name",
        random_.pick<Bytes>({"app", "it's", "other app", "back\\slash"}));
  if (random_.chance(300))
    set(random_.chance(500) ? "TimeZone" : "timezone", "TimeZone",
        random_.pick<Bytes>({"Europe/Paris", "UTC"}));
  if (random_.chance(150)) set("DateStyle", "DateStyle", "ISO, YMD");
  if (random_.chance(150)) set("client_encoding", "client_encoding", random_.pick<Bytes>({"UTF8", "LATIN1"}));
  if (random_.chance(100)) set("extra_float_digits", "extra_float_digits", random_.pick<Bytes>({"2", "3"}));
  if (random_.chance(100)) {
    const Bytes path = random_.pick<Bytes>({"mine", "yours"});
    settings_["search_path"] = path;
    out.cstring("options").cstring("-c search_path=" + std::string(path));
  }
  out.u8(0).end();
  out_ += out.view();
  push();
}

void SimClient::on_readable(SocketId socket) {
  if (!traits_.slow_reader || net_.state(socket) == StreamState::broken) return read_some();
  if (reading_due_) return;
  reading_due_ = true;
  later(random_.up_to(4ms), &SimClient::read_some);
}

void SimClient::on_writable(SocketId) {
  push();
  if (state_ == State::working) advance();
}

void SimClient::read_some() {
  reading_due_ = false;
  std::array<char, 4096> space;
  const std::size_t most = traits_.slow_reader ? 1 + random_.below(600) : space.size();
  const int session = session_;
  for (;;) {
    const std::size_t size = net_.read(socket_, std::span(space).first(most));
    if (size == 0) break;
    in_.append({space.data(), size});
    if (state_ == State::asking_tls) {
      const auto answer = in_.next_byte();
      if (answer != 'N') return fail("SSLRequest was answered by something else than N");
      send_startup();
    }
    while (session == session_ && state_ != State::leaving) {
      const auto message = in_.next(true);
      if (!message) break;
      handle(*message);
    }
    if (session != session_ || schedule_.failed()) return;
    if (in_.broken()) return fail("received a message with a wrong length: " + in_.preview());
    if (traits_.slow_reader && net_.readable(socket_)) return on_readable(socket_);
  }
  const StreamState state = net_.state(socket_);
  if (state != StreamState::open) return over(state);
  if (state_ == State::working) advance();
}

void SimClient::handle(const Message& message) {
  if (state_ == State::login) return handle_login(message);
  if (state_ != State::working) return;
  schedule_.trace("client %d gets %s", traits_.id, describe(message).substr(0, 100).c_str());
  if (!model_->received(message)) return fail(model_->why());
}

void SimClient::handle_login(const Message& message) {
  switch (message.type) {
    case 'R':
      if (Reader(message.body).u32() != 0) fail("asked for a password");
      return;
    case 'K':
      key_ = message.body;
      return;
    case 'S':
      if (!model_)
        model_ = std::make_unique<ClientModel>(checks_, rules_, traits_.id, traits_.database, settings_);
      model_->received(message);
      return;
    case 'E': {
      const std::string text = error_field(message.body, 'C') + " " + error_field(message.body, 'M');
      schedule_.trace("client %d is refused: %s", traits_.id, text.c_str());
      ++checks_.counts.logins_refused;
      if (!rules_.servers_fail && !rules_.logins_refused) fail("the login was refused: " + text);
      return;
    }
    case 'Z':
      if (!model_) return fail("no ParameterStatus came with the login");
      if (!model_->welcomed()) return fail("at login: " + model_->why());
      schedule_.trace("client %d is logged in", traits_.id);
      state_ = State::working;
      if (leaves_badly_ && random_.chance(300)) later(random_.up_to(50ms), &SimClient::cut_short);
      return advance();
    default:
      return fail("during the login came " + describe(message));
  }
}

// ---- work ----

// Runs the plan as far as it goes now.
void SimClient::advance() {
  static constexpr std::size_t enough_unsent = 100'000;
  while (state_ == State::working && !pausing_ && !schedule_.failed()) {
    if (model_->doomed()) return;
    if (plan_.empty()) {
      plan_more();
      continue;
    }
    if (out_.size() > enough_unsent || !run(plan_.front())) return;
    if (!plan_.empty()) plan_.pop_front();
  }
}

void SimClient::plan_more() {
  if (units_left_ == 0 || units_in_session_ == 0) {
    if (leaves_badly_) return cut_short();
    if (!model_->answered()) {
      plan_.push_back({.kind = Action::Kind::wait});
      return;
    }
    return leave();
  }
  --units_left_;
  --units_in_session_;
  ++checks_.counts.units;
  for (Action& action : script_.next_unit()) plan_.push_back(std::move(action));
  // Leaves somewhere in its last unit.
  if (leaves_badly_ && units_in_session_ == 0) plan_.resize(random_.below(plan_.size() + 1));
}

// False when the action has to wait.
bool SimClient::run(const Action& action) {
  switch (action.kind) {
    case Action::Kind::send:
      if (action.message.type == 'Q' || action.message.type == 'E') model_->forget_copy();
      send(action.message);
      return true;
    case Action::Kind::wait:
      return model_->answered();
    case Action::Kind::wait_copy:
      return model_->copy_started() || model_->answered();
    case Action::Kind::pause:
      pausing_ = true;
      schedule_.after(action.span, [this, session = session_] {
        if (session != session_) return;
        pausing_ = false;
        if (state_ == State::working) advance();
      });
      return true;
    case Action::Kind::cancel:
      cancel(true);
      return true;
    case Action::Kind::wrong_cancel:
      cancel(false);
      return true;
    case Action::Kind::wait_notified:
      if (!awaited_) awaited_ = model_->all_notifications();
      if (model_->caught_up(*awaited_)) {
        awaited_.reset();
        return true;
      }
      later(1ms, &SimClient::advance);
      return false;
    case Action::Kind::wait_cancel:
      if (std::all_of(cancelers_.begin(), cancelers_.end(), [](const auto& one) { return one->closed(); }))
        return true;
      // Nobody tells when a cancel connection closes.
      later(1ms, &SimClient::advance);
      return false;
  }
  return true;
}

void SimClient::send(const Message& message) {
  model_->sent(message);
  out_ += Writer().begin(message.type).bytes(message.body).end().view();
  schedule_.trace("client %d sends %c %s", traits_.id, message.type, printable(message.body, 60).c_str());
  push();
}

void SimClient::push() {
  while (!out_.empty()) {
    const std::size_t size = net_.write(socket_, out_);
    if (size == 0) return;
    out_.erase(0, size);
  }
  if (close_when_sent_) finish_leaving();
}

void SimClient::cancel(bool right_key) {
  std::string key = key_;
  if (right_key) {
    checks_.cancel_sent(traits_.id);
  } else {
    key.back() = static_cast<char>(key.back() ^ 1);
  }
  schedule_.trace("client %d cancels%s", traits_.id, right_key ? "" : " with a wrong key");
  cancelers_.push_back(std::make_unique<Canceler>(net_, connect_, key));
}

// ---- the end ----

// Terminate, as an application does it.
void SimClient::leave() {
  if (!model_->idle()) {
    // A unit may have left a transaction open: leaving is as good an end for it as any.
    schedule_.trace("client %d leaves an open transaction", traits_.id);
  }
  state_ = State::leaving;
  out_ += Writer().begin('X').end().view();
  close_when_sent_ = true;
  push();
}

// In the middle of anything.
void SimClient::cut_short() {
  if (state_ == State::leaving || state_ == State::away) return;
  schedule_.trace("client %d leaves in the middle", traits_.id);
  if (state_ == State::working && random_.chance(400)) {
    // Part of one more message.
    const std::string last(
        Writer().begin('Q').cstring(owner_mark({traits_.id, script_.next_serial()}) + "ask").end().view());
    out_ += last.substr(0, random_.below(last.size()));
  }
  state_ = State::leaving;
  if (random_.chance(300)) {
    net_.reset(socket_);
    return session_over();
  }
  if (random_.chance(300)) return finish_leaving();
  close_when_sent_ = true;
  push();
  // Not everything may ever be taken by a peer that has stopped reading.
  later(500ms, &SimClient::finish_leaving);
}

void SimClient::finish_leaving() {
  net_.close(socket_);
  session_over();
}

// The connection was ended from the other side.
void SimClient::over(StreamState state) {
  const bool cut = net_.cut(socket_);
  const bool was_idle = !rules_.direct && state_ == State::working && model_->idle();
  const bool working = state_ == State::working;
  // A message that has begun leaves no room for an error.
  const bool told =
      working && (rules_.direct || model_->doomed() || in_.size() > 0 || state == StreamState::broken);
  // Peers so slow that a cancel after a time limit does not help.
  const bool too_slow = (rules_.query > 0ms || rules_.transaction > 0ms) && !rules_.limits_on_time && working;
  const bool excused = state_ == State::leaving || cut || (working && model_->doomed()) ||
                       (too_slow && !was_idle && told) ||
                       (!working && (rules_.servers_fail || rules_.logins_refused)) ||
                       (rules_.servers_fail && !was_idle && told);
  net_.close(socket_);
  schedule_.trace("client %d %s", traits_.id,
                  state == StreamState::broken ? "sees a broken link" : "is closed");
  if (!excused)
    return fail(std::string("the connection was closed ") +
                (was_idle ? "while it was idle" : "in the middle of things"));
  ++checks_.counts.lost_sessions;
  session_over();
}

void SimClient::session_over() {
  checks_.session_ended(traits_.id);
  if (units_left_ > 0) return away(1ms + random_.up_to(random_.chance(200) ? 500ms : 10ms));
  state_ = State::finished;
  ++session_;
}

}  // namespace pgweir::sim
