#pragma once
// What all connections of a worker have in common, and the table that owns them.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pool/ids.h"
#include "pool/snapshot.h"
#include "proxy/session/host.h"
#include "proxy/session/outbox.h"

namespace pgweir {

class Connection {
 public:
  enum class Role : std::uint8_t { client, server, canceler, listener };

  explicit Connection(Role role) : role_(role) {}
  virtual ~Connection() = default;

  virtual void on_bytes(Bytes bytes) = 0;
  virtual void on_drained() {}
  virtual void on_dialed(const DialResult&) {}
  // The answer to start_tls; of a connection that is encrypted now, `tls()` is set.
  virtual void on_tls(const std::string& /*error*/) {}
  // The connection is gone; `error` is empty when the peer closed it.
  virtual void on_closed(const std::string& error) = 0;
  // A deadline set with WorkerEngine::set_timer has come.
  virtual void on_timer() {}
  virtual void on_key(const Digest&) {}

  // The host has closed it by itself: there is nothing left to close.
  void host_closed() { host_gone_ = true; }

  Role role() const { return role_; }
  ConnId id() const { return id_; }
  // Unique in the process; what the console and the log call its id.
  std::uint64_t serial() const { return serial_; }
  Outbox& out() { return out_; }
  const Outbox& out() const { return out_; }
  // Null: in clear.
  const TlsInfo* tls() const { return tls_.get(); }

 protected:
  Instant connected_{};

 private:
  friend class ConnectionTable;
  friend class WorkerEngine;

  Role role_;
  bool dirty_ = false;
  bool reading_ = true;
  bool ended_ = false;      // closed; its memory is freed when the turn ends
  bool host_gone_ = false;  // the host has closed it by itself
  ConnId id_;
  std::uint64_t serial_ = 0;
  Instant timer_ = never;
  Outbox out_;
  std::shared_ptr<const TlsInfo> tls_;
};

class ConnectionTable {
 public:
  ConnId add(std::unique_ptr<Connection> connection);
  // Null when it is gone.
  Connection* find(ConnId id) const {
    if (id.slot >= entries_.size()) return nullptr;
    const Entry& entry = entries_[id.slot];
    return entry.generation == id.generation ? entry.connection.get() : nullptr;
  }
  void remove(ConnId id);
  std::size_t size() const { return size_; }

  template <class Visit>
  void for_each(Visit visit) const {
    for (const Entry& entry : entries_) {
      if (entry.connection) visit(*entry.connection);
    }
  }

 private:
  struct Entry {
    std::unique_ptr<Connection> connection;
    std::uint32_t generation = 0;
  };

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
  std::size_t size_ = 0;
};

}  // namespace pgweir
