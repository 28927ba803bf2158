#pragma once
// The PostgreSQL protocol by hand: what a test writes goes out as it is, what comes in is cut into messages.
// Blocking, with a limit on every wait.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/eventually.h"

namespace pgweir {

// In network byte order; 0 when it is not there.
std::uint32_t int32_at(const std::string& bytes, std::size_t at);

struct WireMessage {
  char type = 0;  // 0: the peer closed
  std::string body;
  bool closed() const { return type == 0; }
};

class WireClient {
 public:
  // Connects to 127.0.0.1; throws when that fails.
  explicit WireClient(int port);
  ~WireClient();
  WireClient(WireClient&& other) noexcept;
  WireClient& operator=(WireClient&&) = delete;

  // Pieces of this many bytes, each in a packet of its own; 0: all at once.
  void split(std::size_t piece) { piece_ = piece; }
  // A peer that has closed is not an error here: reading will tell.
  void send_raw(const std::string& bytes);
  void send(char type, const std::string& body);
  void send_startup(std::uint32_t version,
                    const std::vector<std::pair<std::string, std::string>>& parameters);

  // The next message. Throws when none comes in time, or when its length is absurd.
  WireMessage read(std::chrono::milliseconds limit = patience);
  // One byte outside of the message format, as the answer to SSLRequest; nothing when the peer closed.
  std::optional<char> read_byte(std::chrono::milliseconds limit = patience);
  // Whether something can be read within this time.
  bool readable(std::chrono::milliseconds limit = std::chrono::milliseconds(0)) const;
  // Startup with protocol 3.0 and messages read up to ReadyForQuery; throws when refused. Trust only.
  void login(const std::string& user, const std::string& database);

  void close();
  int descriptor() const { return fd_; }
  // From BackendKeyData, once that was read.
  std::uint32_t backend_pid = 0;
  std::string secret;

 private:
  bool fill(std::size_t size, std::chrono::steady_clock::time_point end);

  int fd_ = -1;
  std::size_t piece_ = 0;
  std::string received_;
};

// Big-endian integers.
std::string wire_int32(std::uint32_t value);
std::string wire_int16(std::uint16_t value);
std::string wire_message(char type, const std::string& body);

}  // namespace pgweir
