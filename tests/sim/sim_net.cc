#include "tests/sim/sim_net.h"

#include <algorithm>
#include <cstring>

namespace pgweir::sim {

using namespace std::chrono_literals;

SimNet::SimNet(Schedule& schedule, const Weather& weather)
    : schedule_(schedule), random_(schedule.random().fork()), weather_(weather) {}

std::pair<SocketId, SocketId> SimNet::connect(LinkKind kind, SocketUser* a, SocketUser* b) {
  const auto first = static_cast<SocketId>(sockets_.size());
  for (const SocketId offset : {0U, 1U}) {
    auto socket = std::make_unique<Socket>();
    socket->peer = first + 1 - offset;
    socket->user = offset == 0 ? a : b;
    socket->kind = kind;
    socket->capacity = std::max<std::size_t>(64, weather_.buffer / (1 + random_.below(4)));
    socket->latency = random_.up_to(weather_.latency);
    socket->split = weather_.split;
    sockets_.push_back(std::move(socket));
  }
  return {first, first + 1};
}

void SimNet::attach(SocketId socket, SocketUser* user) {
  Socket& end = at(socket);
  end.user = user;
  end.reading = true;
  if (user != nullptr) schedule_notice(socket, Duration(0));
}

std::size_t SimNet::write(SocketId socket, Bytes bytes) {
  Socket& end = at(socket);
  Socket& other = at(end.peer);
  if (end.broken || bytes.empty()) return 0;
  if (other.closed) {
    // A peer that is gone takes everything, and answers with a reset when that reaches it.
    schedule_.after(end.latency + 1ms, [this, socket] { answer_by_reset(socket, 20); });
    return bytes.size();
  }
  const std::size_t held = other.in_flight.size() + other.unread();
  const std::size_t room = other.capacity > held ? other.capacity - held : 0;
  std::size_t taken = std::min(room, bytes.size());
  if (taken > 1 && random_.chance(100)) taken = 1 + random_.below(taken);
  other.in_flight.append(bytes.substr(0, taken));
  if (taken > 0) schedule_arrival(end.peer);
  if (taken < bytes.size()) {
    end.wants_room = true;
    if (taken < room) schedule_room(socket);
  }
  return taken;
}

std::size_t SimNet::read(SocketId socket, std::span<char> into) {
  Socket& end = at(socket);
  const std::size_t size = std::min(into.size(), end.unread());
  std::memcpy(into.data(), end.arrived.data() + end.arrived_read, size);
  end.arrived_read += size;
  if (end.unread() == 0) {
    end.arrived.clear();
    end.arrived_read = 0;
  }
  if (size > 0 && at(end.peer).wants_room) schedule_room(end.peer);
  return size;
}

bool SimNet::readable(SocketId socket) const {
  return at(socket).unread() > 0 || state(socket) != StreamState::open;
}

StreamState SimNet::state(SocketId socket) const {
  const Socket& end = at(socket);
  if (end.broken) return StreamState::broken;
  return end.end_arrived && end.unread() == 0 ? StreamState::ended : StreamState::open;
}

void SimNet::set_reading(SocketId socket, bool reading) {
  Socket& end = at(socket);
  if (reading && !end.reading && readable(socket)) schedule_notice(socket, Duration(0));
  end.reading = reading;
}

void SimNet::close(SocketId socket) {
  Socket& end = at(socket);
  if (end.closed) return;
  end.closed = true;
  end.user = nullptr;
  Socket& other = at(end.peer);
  other.end_sent = true;
  schedule_arrival(end.peer);
  if (other.wants_room) schedule_room(end.peer);
}

void SimNet::reset(SocketId socket) {
  Socket& end = at(socket);
  if (end.closed) return;
  end.closed = true;
  end.user = nullptr;
  schedule_.after(random_.up_to(end.latency), [this, other = end.peer] { break_end(other); });
}

void SimNet::break_end(SocketId socket) {
  Socket& end = at(socket);
  if (end.broken || end.closed) return;
  end.broken = true;
  end.in_flight.clear();
  end.arrived.clear();
  end.arrived_read = 0;
  schedule_notice(socket, Duration(0));
  if (end.wants_room) schedule_room(socket);
}

// A reset would destroy bytes that the peer had sent before it closed. So it waits for them to be read, but
// not for ever: the reader may have stopped.
void SimNet::answer_by_reset(SocketId socket, int patience) {
  const Socket& end = at(socket);
  if (patience > 0 && (end.unread() > 0 || !end.in_flight.empty())) {
    schedule_.after(20ms, [this, socket, patience] { answer_by_reset(socket, patience - 1); });
    return;
  }
  break_end(socket);
}

void SimNet::schedule_arrival(SocketId socket) {
  Socket& end = at(socket);
  if (end.arrival_due || end.closed || end.broken) return;
  end.arrival_due = true;
  const Instant earliest = std::max(schedule_.now(), end.stalled_until);
  schedule_.at(earliest + random_.up_to(end.latency), [this, socket] { arrive(socket); });
}

void SimNet::arrive(SocketId socket) {
  Socket& end = at(socket);
  end.arrival_due = false;
  if (end.closed || end.broken) return;
  if (end.stalled_until > schedule_.now()) return schedule_arrival(socket);
  std::size_t size = end.in_flight.size();
  switch (end.split) {
    case Weather::Split::whole:
      break;
    case Weather::Split::random:
      if (size > 1 && random_.chance(500))
        size = 1 + random_.below(random_.chance(300) ? std::min<std::size_t>(size, 12) : size);
      break;
    case Weather::Split::tiny:
      // Long streams in single bytes would only cost time.
      if (size < 2000) size = std::min<std::size_t>(size, 1 + random_.below(8));
      break;
  }
  end.arrived.append(end.in_flight, 0, size);
  end.in_flight.erase(0, size);
  if (!end.in_flight.empty()) {
    schedule_arrival(socket);
  } else if (end.end_sent) {
    end.end_arrived = true;
  }
  if (end.reading && end.user != nullptr) end.user->on_readable(socket);
}

void SimNet::schedule_notice(SocketId socket, Duration delay) {
  Socket& end = at(socket);
  if (end.notice_due) return;
  end.notice_due = true;
  schedule_.after(delay, [this, socket] {
    Socket& woken = at(socket);
    woken.notice_due = false;
    if (woken.user != nullptr && woken.reading && readable(socket)) woken.user->on_readable(socket);
  });
}

void SimNet::schedule_room(SocketId socket) {
  Socket& end = at(socket);
  end.wants_room = false;
  schedule_.after(random_.up_to(end.latency), [this, socket] {
    Socket& woken = at(socket);
    if (woken.user != nullptr && !woken.closed) woken.user->on_writable(socket);
  });
}

bool SimNet::quiet(SocketId socket) const {
  const Socket& end = at(socket);
  const Socket& other = at(end.peer);
  return end.in_flight.empty() && end.unread() == 0 && other.in_flight.empty() && other.unread() == 0;
}

SocketId SimNet::some_live(LinkKind kind) {
  std::vector<SocketId> live;
  for (SocketId i = 0; i < sockets_.size(); i += 2) {
    if (at(i).kind == kind && !gone(i) && !gone(i + 1)) live.push_back(i);
  }
  return live.empty() ? no_socket : live[random_.below(live.size())];
}

bool SimNet::cut_some(LinkKind kind) {
  const SocketId socket = some_live(kind);
  if (socket == no_socket) return false;
  for (const SocketId end : {socket, at(socket).peer}) {
    at(end).cut = true;
    break_end(end);
  }
  return true;
}

bool SimNet::stall_some(LinkKind kind, Duration span) {
  const SocketId socket = some_live(kind);
  if (socket == no_socket) return false;
  const SocketId end = random_.chance(500) ? socket : at(socket).peer;
  at(end).stalled_until = schedule_.now() + span;
  return true;
}

}  // namespace pgweir::sim
