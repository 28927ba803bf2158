#pragma once
// A worker: a thread with a libuv loop and a WorkerCore, and the world that the core sees (Host).
//
// Made and destroyed on the main thread; between `start` and `join` everything belongs to the worker's own
// thread, except `mailbox()` and `stop()`.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "proxy/net/dialer.h"
#include "proxy/net/listener.h"
#include "proxy/net/log.h"
#include "proxy/net/mailbox.h"
#include "proxy/net/tls_contexts.h"
#include "proxy/net/turn.h"
#include "proxy/session/worker_core.h"

namespace pgweir {

// Where all threads can be reached. Filled before the threads start, and constant then.
struct Mailboxes {
  Mailbox<ControlMail>* control = nullptr;
  std::vector<Mailbox<WorkerMail>*> workers;
};

class Worker final : private Host, private DialOwner, private TurnTaker {
 public:
  Worker(WorkerId id, std::vector<ListenSocket> sockets, const Mailboxes& mailboxes, Log& log,
         std::shared_ptr<const Settings> settings, std::shared_ptr<const TlsContexts> tls,
         std::string process_secret);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  Mailbox<WorkerMail>& mailbox() { return mailbox_; }
  void start();
  // Closes every connection at once. Any thread.
  void stop() { thread_.request_stop(); }
  void join();
  // After `join`: false when a look-up of a name hangs, see Loop::finish.
  bool finished() const { return finished_; }

 private:
  struct KeyWork;

  void run(const std::stop_token& stop_asked);
  void listen();
  void on_client(uv_stream_t* listener);
  void on_mail();
  void let_linger();
  void shut_down();

  // Host
  void dial(ConnId conn, const Endpoint& endpoint) override;
  void adopt(ConnId conn, Transport transport) override;
  Transport detach(ConnId conn) override;
  void write(ConnId conn, Outbox& outbox) override;
  void start_tls(ConnId conn, TlsStart start) override;
  void set_reading(ConnId conn, bool reading) override;
  void close(ConnId conn, Outbox& outbox) override;
  void abort(ConnId conn, Outbox& outbox) override;
  void post(WorkerId worker, WorkerMail mail) override;
  void post_control(ControlMail mail) override;
  void derive_key(KeyWanted wanted) override;
  void random(std::span<char> bytes) override;
  void log(LogLine line) override;

  // DialOwner, StreamOwner
  ChunkPool& chunks() override { return core_->chunks(); }
  std::span<char> read_space(std::size_t least) override;
  std::span<char> cipher_space() override { return cipher_space_; }
  std::string& cipher_text() override { return cipher_text_; }
  void on_connected(Stream& stream, int error) override;
  void on_read(Stream& stream, std::size_t size) override;
  void on_tls(Stream& stream, const std::string& error) override;
  void on_end(Stream& stream, int error) override;
  void on_broken(Stream& stream) override;
  void on_drained(Stream& stream) override;
  void on_linger(Stream& stream, Duration limit) override;
  void on_gone(Stream& stream) override;
  void on_dial_failed(ConnId conn, std::string error) override;

  // TurnTaker
  void begin_turn(Instant now) override { core_->begin_turn(now); }
  void end_turn() override;
  Instant next_deadline() const override { return core_->next_deadline(); }

  Stream* find(ConnId conn) const;
  void enter(ConnId conn, Stream* stream);
  void deliver(ConnId conn, Bytes bytes);
  void report_broken(ConnId conn);
  void begin_tls(ConnId conn, const std::string& received, const std::string& error);
  void arm_linger();
  void on_linger_timer();

  const WorkerId id_;
  const Mailboxes& mailboxes_;
  Log& log_;
  std::vector<ListenSocket> sockets_;
  std::shared_ptr<const Settings> settings_;  // those of the start
  std::shared_ptr<const TlsContexts> tls_;    // the latest
  std::string process_secret_;
  // Enough for two records; the plaintext of this and of one that had come in part fits into a slab.
  std::array<char, 32 * 1024> cipher_space_;
  std::string cipher_text_;

  Loop loop_;
  std::optional<Resolver> resolver_;
  Mailbox<WorkerMail> mailbox_;
  std::optional<Turn> turn_;
  std::unique_ptr<WorkerCore> core_;
  struct Listener {
    HandlePtr<uv_tcp_t> tcp;
    HandlePtr<uv_pipe_t> pipe;
  };
  std::vector<Listener> listeners_;
  std::vector<Stream*> streams_;  // by the slot of their ConnId; null: none
  std::unordered_map<ConnId, std::unique_ptr<Dial>> dials_;
  std::unordered_map<ConnId, std::string> failed_dials_;  // to be told to the core at the end of the turn
  struct TlsBegun {
    ConnId conn;
    std::string received, error;
  };
  std::vector<TlsBegun> tls_begun_;                        // the same
  std::vector<ConnId> broken_;                             // the same
  std::set<std::pair<std::uint64_t, Stream*>> lingering_;  // by their deadlines
  HandlePtr<uv_timer_t> linger_timer_;
  std::vector<WorkerMail> mail_;  // being delivered
  std::stop_token stop_asked_;
  long descriptors_ = 0;  // that the process may have
  bool stopping_ = false;
  bool finished_ = true;
  std::jthread thread_;
};

}  // namespace pgweir
