#pragma once
// What recorded transactions would have met at a pool of another size: an exact replay, first in, first out,
// of one load. Pure and deterministic. Seconds throughout.
//
// Without slowdown and with arrivals that do not depend on the answers it is the recursion of Kiefer and
// Wolfowitz: a transaction starts at its arrival or when the earliest of the servers is free. Otherwise
// events are played one by one: each executing connection gets speed(n) of its unloaded speed while n
// execute, and clients that think and come back do so with the recorded think times.

#include <cstdint>
#include <vector>

namespace pgweir {

struct ReplayJob {
  double arrival = 0;  // after the segment's start; negative: before it
  double work = 0;     // executing, at unloaded speed
  double think = 0;    // idle in transaction, in the middle of the work
  double other = 0;    // link, drain, cleanup: at the end
  double gap = -1;  // until the same client's next transaction; below 0: not known, then as long as the load
  std::uint32_t client = 0;
  std::uint8_t statement_class = 0;
};

struct ReplayLoad {
  static constexpr double rest_step = 0.1;
  std::vector<ReplayJob> jobs;  // by arrival
  double length = 0;            // the results are about [0, length)
  // Connections of other pools that execute on the host, in steps of rest_step; empty: none.
  std::vector<float> rest;
};

// speed[n]: of one connection when n execute, relative to being alone; the last holds for more. Never empty.
using SpeedTable = std::vector<double>;

struct ReplayMode {
  bool clients_return = false;  // closed: a client's next transaction follows its answer after its gap
  double traffic = 1;           // 1.2: 20 % more
};

struct ReplayResult {
  double throughput = 0;  // transactions per second
  double p50_wait = 0, p99_wait = 0;
  double p99_response = 0;  // wait and holding
  double waited_share = 0;  // of the transactions
  double mean_waiting = 0;  // clients
  double busy_share = 0;    // of the connections, on average
};

// Many sizes of one load: keeps what they share. The load and the table must live as long.
class Replay {
 public:
  Replay(const ReplayLoad& load, const SpeedTable& speed, ReplayMode mode);
  // Size at least 1.
  ReplayResult at(int size) const;
  bool is_plain() const { return plain_; }

 private:
  struct Client {
    std::uint32_t first = 0, count = 0;  // its jobs, in order_
    std::uint32_t begin = 0;             // the one it starts with
    double arrival = 0;
  };
  ReplayResult plain(int size) const;
  ReplayResult played(int size) const;
  void find_clients();

  const ReplayLoad& load_;
  const SpeedTable& speed_;
  ReplayMode mode_;
  double length_;
  bool plain_;
  std::vector<std::uint32_t> order_;  // jobs by client, then by arrival
  std::vector<Client> clients_;       // of the closed mode
};

}  // namespace pgweir
