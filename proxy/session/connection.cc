#include "proxy/session/connection.h"

namespace pgweir {

ConnId ConnectionTable::add(std::unique_ptr<Connection> connection) {
  std::uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Entry& entry = entries_[slot];
  ++entry.generation;
  ++size_;
  connection->id_ = {slot, entry.generation};
  entry.connection = std::move(connection);
  return {slot, entry.generation};
}

void ConnectionTable::remove(ConnId id) {
  Entry& entry = entries_[id.slot];
  entry.connection.reset();
  free_.push_back(id.slot);
  --size_;
}

}  // namespace pgweir
