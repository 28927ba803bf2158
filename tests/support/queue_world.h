#pragma once
// A pool in front of an imaginary server, to feed a Meter with: clients arrive, wait first in, first out for
// one of `size` connections, work, perhaps think inside the transaction, and leave. Time is imaginary.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <vector>

#include "pool/meter.h"
#include "pool/time.h"

namespace pgweir::testing {

class QueueWorld {
 public:
  struct Job {
    Duration work{};
    Duration think{};  // idle in the transaction, after the work
  };

  QueueWorld(Meter& meter, int size, Instant start) : meter_(meter), size_(size), now_(start) {
    meter_.pool_size_changed(size);
  }

  void arrive(Instant at, Job job);
  // Called when a job is done.
  std::function<void(Instant)> on_done;
  // Lets things happen up to `until`, and cuts the meter's windows when they are due.
  void run(Instant until);

  // Real connection-time and waits, as the world itself knows them.
  double holding_seconds = 0;
  std::vector<double> waits;

 private:
  struct Client {
    Job job;
    Use use;
    Instant arrived;
  };
  enum class Kind { arrive, worked, thought };
  struct Event {
    Instant at;
    std::uint64_t order;
    Kind kind;
    std::shared_ptr<Client> client;
    bool operator>(const Event& other) const { return at != other.at ? at > other.at : order > other.order; }
  };

  void push(Instant at, Kind kind, std::shared_ptr<Client> client);
  void serve(std::shared_ptr<Client> client);
  void done(Client& client);

  Meter& meter_;
  int size_;
  int busy_ = 0;
  Instant now_;
  std::uint64_t order_ = 0;
  std::deque<std::shared_ptr<Client>> queue_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
};

using Random = std::mt19937_64;

// Exponential with the given mean, the same on every platform.
Duration exponential(Random& random, Duration mean);

// Independent arrivals at `rate` per second of exponential work, from `from` to `to`.
void poisson_load(QueueWorld& world, Random& random, double rate, Duration work, Instant from, Instant to);
// `clients` that think for an exponential time before each transaction.
void closed_load(QueueWorld& world, Random& random, int clients, Duration think, Duration work, Instant from);

}  // namespace pgweir::testing
