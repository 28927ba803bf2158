#include "proxy/net/takeover_channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace pgweir {

bool TakeoverChannel::peer_is(std::initializer_list<uid_t> users) const {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return std::find(users.begin(), users.end(), peer.uid) != users.end();
}

bool TakeoverChannel::send(TakeoverWord word, Bytes body, std::span<const Descriptor> descriptors) {
  char first = static_cast<char>(word);
  std::array<iovec, 2> parts{iovec{&first, 1}, iovec{const_cast<char*>(body.data()), body.size()}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * most_descriptors)> control{};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  if (!descriptors.empty()) {
    const std::size_t count = std::min(descriptors.size(), most_descriptors);
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    for (std::size_t i = 0; i < count; ++i) {
      const int fd = descriptors[i].get();
      std::memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
    }
  }
  return ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

TakeoverChannel::Got TakeoverChannel::receive(TakeoverMessage& result) {
  std::array<char, most_bytes> bytes{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * most_descriptors)> control{};
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t size = 0;
  do {
    size = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Got::nothing;
  if (size <= 0) return Got::end;
  result = {};
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      result.descriptors.emplace_back(fd);
    }
  }
  // What was cut is not understood.
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return Got::end;
  result.word = static_cast<TakeoverWord>(bytes[0]);
  result.body.assign(bytes.data() + 1, static_cast<std::size_t>(size) - 1);
  return Got::message;
}

bool TakeoverChannel::await(Duration limit) const {
  pollfd waiting{socket_.get(), POLLIN, 0};
  const auto millis = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
  return ::poll(&waiting, 1, static_cast<int>(millis)) > 0;
}

}  // namespace pgweir
