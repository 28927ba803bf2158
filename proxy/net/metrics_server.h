#pragma once
// /metrics, /healthz and /readyz over HTTP, in a thread of its own with a loop of its own. All that it shares
// with the others is mail: it asks the control thread for facts as the console does, and gets them back as a
// value.
//
// Whatever readers do, it can neither block nor flood the others: the workers are asked once a second at
// most, for all readers together; connections are counted and limited in time, and each serves one request
// whose head is bounded.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <tl/expected.hpp>
#include <vector>

#include "admin/metrics/http.h"
#include "admin/metrics/metrics_facts.h"
#include "proxy/net/handle.h"
#include "proxy/net/listener.h"
#include "proxy/net/mailbox.h"
#include "proxy/net/turn.h"
#include "proxy/session/mail.h"

namespace pgweir {

// Bound before any thread starts, as those for clients; none when the port is 0.
tl::expected<ListenSockets, std::string> open_metrics_socket(const MetricsSettings& settings,
                                                             InheritedSockets& inherited);

class MetricsServer {
 public:
  // One more connection closes the oldest.
  static constexpr std::size_t most_connections = 32;
  // From accept to the end of the answer.
  static constexpr Duration connection_limit = std::chrono::seconds(10);
  // How long facts are good for further readers.
  static constexpr Duration facts_life = std::chrono::seconds(1);
  // Threads that have not answered then are taken for stuck.
  static constexpr Duration facts_limit = std::chrono::seconds(5);

  // Serves from now on. `control` must outlive the threads that post to this, and this must outlive the run
  // of the control thread, which answers it.
  MetricsServer(ListenSockets sockets, Mailbox<ControlMail>& control);
  ~MetricsServer();
  // Serves nobody any more; answers that are on their way are dropped.
  void stop();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

 private:
  struct Connection;
  struct Write;
  using Text = std::shared_ptr<const std::string>;
  // One kind of facts, for all who ask for it.
  struct Gathering {
    SnapshotParts parts;
    std::uint64_t ticket = 0;  // of the question under way; 0: none
    Instant asked{};
    std::shared_ptr<const MetricsFacts> facts{};
    Instant got{};
    std::vector<Connection*> waiting{};
    Text texts[2]{};  // of `facts`, by format, once they were asked for
  };
  struct Answer {
    std::uint64_t ticket = 0;
    MetricsFacts facts;
  };

  void run(const std::stop_token& stop_asked);
  void listen();
  void accept(uv_stream_t* listener);
  void on_second();
  void on_mail();
  void on_read(Connection& connection, Bytes bytes);
  void on_request(Connection& connection, const HttpRequest& request);
  void want(Connection& connection, Gathering& gathering);
  void serve(Connection& connection, const Gathering& gathering);
  void settle(Gathering& gathering);
  void answer(Connection& connection, int status, Bytes type, Text body);
  void answer(Connection& connection, int status, const std::string& words);
  void drop(Connection& connection);
  Text metrics_of(Gathering& gathering, MetricsFormat format);

  Mailbox<ControlMail>& control_;
  ListenSockets sockets_;
  Loop loop_;
  Mailbox<Answer> mailbox_;
  std::vector<Answer> mail_;  // being delivered
  std::vector<HandlePtr<uv_tcp_t>> listeners_;
  HandlePtr<uv_timer_t> timer_;
  std::vector<std::unique_ptr<Connection>> connections_;  // oldest first
  std::uint64_t tickets_ = 0;
  Gathering measures_, pulse_;
  std::string read_buffer_;
  std::jthread thread_;  // the last: all others are there when it starts, and until it has ended
};

}  // namespace pgweir
