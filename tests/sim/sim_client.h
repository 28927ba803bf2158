#pragma once
// A simulated application: session after session it connects, logs in, does the units of its script, and
// leaves, in a good way or a bad one. Its model judges every message that it receives.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/client_model.h"
#include "tests/sim/client_script.h"
#include "tests/sim/message_buffer.h"
#include "tests/sim/sim_net.h"

namespace pgweir::sim {

// How a client behaves; drawn once per client.
struct ClientTraits {
  int id = 1;
  std::string database, user;
  int units = 10;            // of work until it has finished
  bool slow_reader = false;  // reads little at a time
  bool rude = false;         // leaves in the middle of things
  ScriptStyle style{};
};

class SimClient : public SocketUser {
 public:
  // Starts a connection to the server or the proxy; the client's end.
  using Connect = std::function<SocketId(SocketUser*)>;

  SimClient(Schedule& schedule, SimNet& net, Checks& checks, const ClientRules& rules,
            const ClientTraits& traits, Connect connect);
  ~SimClient() override;

  void start(Duration delay);
  // No work is left and all its connections are closed.
  bool finished() const;
  std::string where() const;

  void on_readable(SocketId socket) override;
  void on_writable(SocketId socket) override;

 private:
  enum class State : std::uint8_t { away, asking_tls, login, working, leaving, finished };
  class Canceler;

  void connect();
  void begin_session();
  void send_startup();
  void read_some();
  void handle(const Message& message);
  void handle_login(const Message& message);
  void advance();
  bool run(const Action& action);
  void plan_more();
  void send(const Message& message);
  void push();
  void cancel(bool right_key);
  void leave();
  void cut_short();
  void finish_leaving();
  void over(StreamState state);
  void session_over();
  void away(Duration pause);
  void fail(const std::string& reason);
  void later(Duration delay, void (SimClient::*then)());

  Schedule& schedule_;
  SimNet& net_;
  Checks& checks_;
  const ClientRules& rules_;
  ClientTraits traits_;
  Connect connect_;
  SeededRandom random_;
  ClientScript script_;

  State state_ = State::away;
  int session_ = 0;  // counts sessions and tells timers of an earlier one
  int units_left_;
  int units_in_session_ = 0;
  bool leaves_badly_ = false;
  SocketId socket_ = no_socket;
  MessageBuffer in_;
  std::string out_;
  ToySettings settings_;
  std::unique_ptr<ClientModel> model_;
  std::deque<Action> plan_;
  std::optional<ClientModel::Expected> awaited_;
  bool pausing_ = false, reading_due_ = false;
  bool close_when_sent_ = false;
  std::string key_;  // process id and secret, as they came
  std::vector<std::unique_ptr<Canceler>> cancelers_;
};

}  // namespace pgweir::sim
