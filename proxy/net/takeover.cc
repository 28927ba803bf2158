#include "proxy/net/takeover.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <span>
#include <utility>

#include "protocol/reader.h"
#include "protocol/writer.h"
#include "proxy/net/address.h"

namespace pgweir {
namespace {

using namespace std::chrono_literals;
using Failure = tl::unexpected<std::string>;

constexpr Bytes version = "1";
// The predecessor's control thread answers in a turn of its loop; its state file takes a synchronized write.
constexpr Duration answer_limit = 10s;
constexpr Duration release_limit = 60s;
// Cancels that the predecessor may be asked for at a time: further ones are lost, as PostgreSQL promises
// nobody that a cancel arrives.
constexpr std::size_t most_cancels = 1000;

// The number of a cancel.
std::uint64_t read_number(Reader& reader) {
  const std::uint64_t high = reader.u32();
  return high << 32 | reader.u32();
}

void write_number(Writer& writer, std::uint64_t number) {
  writer.u32(static_cast<std::uint32_t>(number >> 32)).u32(static_cast<std::uint32_t>(number));
}

}  // namespace

// ---- before the successor serves ----

std::string Predecessor::path_of(const ListenSettings& settings) {
  if (settings.unix_socket_dir.empty()) return {};
  return unix_socket_path(settings.unix_socket_dir, settings.port) + ".takeover";
}

tl::expected<Predecessor, std::string> Predecessor::find(const ListenSettings& settings, uid_t user) {
  const std::string path = path_of(settings);
  if (path.empty()) {
    return Failure(
        "--takeover needs listen.unix_socket_dir: there the running process is asked for its sockets");
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Failure("listen.unix_socket_dir is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Predecessor result;
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return result;
    return Failure("cannot take over: " + path + ": " + std::generic_category().message(errno));
  }
  result.channel_ = TakeoverChannel(std::move(socket));
  if (!result.channel_.peer_is({::geteuid(), user, 0}))
    return Failure("cannot take over: " + path + " belongs to another user");
  return result;
}

tl::expected<void, std::string> Predecessor::take_sockets(InheritedSockets& sockets) {
  channel_.send(TakeoverWord::ask, version);
  for (TakeoverMessage message; channel_.await(answer_limit);) {
    if (channel_.receive(message) != TakeoverChannel::Got::message)
      return Failure("cannot take over: the running process has closed the connection");
    for (Descriptor& it : message.descriptors) sockets.add(std::move(it));
    if (message.word == TakeoverWord::all_sent) return {};
    if (message.word != TakeoverWord::sockets)
      return Failure("cannot take over: the running process says: " + message.body);
  }
  return Failure("cannot take over: the running process does not answer");
}

bool Predecessor::release_state() {
  channel_.send(TakeoverWord::release);
  TakeoverMessage message;
  return channel_.await(release_limit) && channel_.receive(message) == TakeoverChannel::Got::message &&
         message.word == TakeoverWord::released;
}

TakeoverChannel Predecessor::ready() {
  if (found()) channel_.send(TakeoverWord::ready);
  return std::move(channel_);
}

// ---- while the process serves ----

Takeover::Takeover(uv_loop_t* loop, Succession succession, TakeoverOwner& owner)
    : loop_(loop), succession_(std::move(succession)), owner_(owner) {}

void Takeover::start() {
  predecessor_ = succession_.predecessor.ready();
  if (predecessor_.open()) {
    predecessor_watch_ = watch(predecessor_.fd(), [](uv_poll_t* handle, int, int) {
      static_cast<Takeover*>(handle->data)->on_predecessor();
    });
  }
  if (succession_.asked.socket.valid()) {
    asked_watch_ = watch(succession_.asked.socket.get(), [](uv_poll_t* handle, int, int) {
      static_cast<Takeover*>(handle->data)->on_asked();
    });
  }
}

Takeover::Watch Takeover::watch(int fd, uv_poll_cb on_readable) {
  Watch handle = make_handle<uv_poll_t>(this, [&](uv_poll_t* h) { return uv_poll_init(loop_, h, fd); });
  uv_poll_start(handle.get(), UV_READABLE, on_readable);
  return handle;
}

void Takeover::close() {
  asked_watch_.reset();
  successor_watch_.reset();
  predecessor_watch_.reset();
}

void Takeover::on_asked() {
  Descriptor socket(
      ::accept4(succession_.asked.socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid()) return;
  TakeoverChannel channel(std::move(socket));
  if (!channel.peer_is({::geteuid(), 0})) {
    channel.send(TakeoverWord::refused, "it belongs to another user");
  } else if (successor_.open()) {
    channel.send(TakeoverWord::refused, "another process is taking over already");
  } else {
    successor_ = std::move(channel);
    ++successors_;
    successor_watch_ = watch(successor_.fd(), [](uv_poll_t* handle, int, int) {
      static_cast<Takeover*>(handle->data)->on_successor();
    });
  }
}

void Takeover::on_successor() {
  TakeoverMessage message;
  switch (successor_.receive(message)) {
    case TakeoverChannel::Got::message:
      return on_word(message);
    case TakeoverChannel::Got::nothing:
      return;
    case TakeoverChannel::Got::end:
      return lose_successor();
  }
}

void Takeover::on_word(const TakeoverMessage& message) {
  switch (message.word) {
    case TakeoverWord::ask: {
      if (message.body != version) {
        successor_.send(TakeoverWord::refused,
                        "this version cannot hand over to yours; stop it and start the new one");
        return lose_successor();
      }
      std::span<const Descriptor> rest(succession_.sockets);
      while (!rest.empty()) {
        const auto some = rest.first(std::min(rest.size(), TakeoverChannel::most_descriptors));
        if (!successor_.send(TakeoverWord::sockets, {}, some)) return lose_successor();
        rest = rest.subspan(some.size());
      }
      successor_.send(TakeoverWord::all_sent);
      return;
    }
    case TakeoverWord::release:
      return owner_.release_state([this, asker = successors_] { on_released(asker); });
    case TakeoverWord::ready:
      if (!handed_over_) hand_over();
      return;
    case TakeoverWord::cancel: {
      Reader reader(message.body);
      CancelByKey cancel;
      cancel.foreign = read_number(reader);
      cancel.pid = reader.u32();
      cancel.secret = std::string(reader.rest());
      if (reader.ok() && cancel.foreign != 0) owner_.on_foreign_cancel(std::move(cancel));
      return;
    }
    case TakeoverWord::sockets:
    case TakeoverWord::all_sent:
    case TakeoverWord::released:
    case TakeoverWord::handled:
    case TakeoverWord::refused:
      break;
  }
  lose_successor();
}

void Takeover::on_released(std::uint64_t asker) {
  if (!successor_.open() || asker != successors_) return owner_.reclaim_state();
  released_ = true;
  successor_.send(TakeoverWord::released);
}

void Takeover::hand_over() {
  handed_over_ = true;
  asked_watch_.reset();
  succession_.asked.file.forget();
  succession_.asked.socket = Descriptor();
  succession_.sockets.clear();
  succession_.let_go();
  owner_.handed_over();
}

void Takeover::lose_successor() {
  successor_watch_.reset();
  if (std::exchange(released_, false) && !handed_over_) owner_.reclaim_state();
  successor_.close();
}

void Takeover::on_predecessor() {
  TakeoverMessage message;
  const auto got = predecessor_.receive(message);
  if (got == TakeoverChannel::Got::nothing) return;
  if (got == TakeoverChannel::Got::end) {
    predecessor_watch_.reset();
    predecessor_.close();
    for (const auto& [ticket, cancel] : std::exchange(cancels_, {})) owner_.on_cancel_handled(cancel);
    return;
  }
  Reader reader(message.body);
  const std::uint64_t ticket = read_number(reader);
  if (message.word != TakeoverWord::handled || !reader.ok()) return;
  if (const auto found = cancels_.extract(ticket)) owner_.on_cancel_handled(found.mapped());
}

bool Takeover::ask_predecessor(const CancelByKey& cancel) {
  if (!predecessor_.open() || cancels_.size() >= most_cancels) return false;
  const std::uint64_t ticket = ++tickets_;
  Writer body;
  write_number(body, ticket);
  body.u32(cancel.pid);
  body.bytes(cancel.secret);
  if (!predecessor_.send(TakeoverWord::cancel, body.view())) return false;
  cancels_[ticket] = cancel;
  return true;
}

void Takeover::foreign_cancel_handled(std::uint64_t foreign) {
  Writer body;
  write_number(body, foreign);
  if (successor_.open()) successor_.send(TakeoverWord::handled, body.view());
}

}  // namespace pgweir
