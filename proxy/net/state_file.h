#pragma once
// The state file: entries of State (pool/state.h), appended by a thread of its own, so that no other thread
// ever waits for the disk. fsync every 10 minutes and at the end; what was written before survives the end of
// the process, however it ends. A file that has grown to more than twice what it needs is written anew, next
// to the old one, and renamed.
//
// One process at a time has a file (flock). A file that is not a state of this version is never touched.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tl/expected.hpp>

#include "pool/state_codec.h"
#include "proxy/net/handle.h"
#include "proxy/net/log.h"

namespace pgweir {

// What to add to an Instant of this process to get the time since 1970.
Duration wall_offset_now();

// Reads a state file or an exported profile; the error is in words.
tl::expected<StateRead, std::string> load_state(const std::string& path, Duration wall_offset);

class StateFile {
 public:
  // Limits of the file as it is written anew; beyond, traces go first, then pools that nobody uses.
  struct Limits {
    std::size_t most = std::size_t{128} << 20;  // bytes
    std::size_t slack = std::size_t{4} << 20;   // that a file may grow without being written anew
  };

  // Opens or makes the file, and cuts off what is not whole; says in the log what it found.
  static std::unique_ptr<StateFile> open(const std::string& path, Duration wall_offset, Log& log) {
    return open(path, wall_offset, log, Limits{});
  }
  // Null when the file cannot be used; the log says why.
  static std::unique_ptr<StateFile> open(const std::string& path, Duration wall_offset, Log& log,
                                         Limits limits);
  // Writes what is left.
  ~StateFile();
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;

  // What the file held; once.
  State take_state() { return std::move(state_); }
  // Any thread. When the disk is so slow that too much waits, entries are dropped, and the log says so.
  void write(StateEntry entry);
  // Until all that was given has been handed to the system.
  void settle();

 private:
  StateFile(std::string path, Descriptor file, std::size_t size, State state, Log& log, Limits limits);

  void run();
  void append(const std::deque<StateEntry>& entries);
  bool put(const std::string& bytes);
  void rewrite();
  void sync();

  const std::string path_;
  const Duration wall_offset_;
  const Limits limits_;
  Log& log_;
  State state_;

  // Of the thread.
  Descriptor file_;
  std::size_t size_;      // up to the last whole record
  std::size_t needed_;    // after it was last written anew
  bool dirty_ = false;    // not synchronized
  bool failing_ = false;  // said so

  std::mutex mutex_;
  std::condition_variable work_, idle_;
  std::deque<StateEntry> queue_;
  std::size_t dropped_ = 0;
  bool writing_ = false, stop_ = false;
  std::thread thread_;
};

}  // namespace pgweir
