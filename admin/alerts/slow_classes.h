#pragma once
// Whether a kind of query takes longer than it usually does when the pool has at least as much to do: the
// last ten minutes against the worst usual ten minutes, the worst minute and the worst usual one left out, so
// that single bad minutes raise nothing.
//
// A transaction counts to the query that executed longest in it, as in the traces, from which all of this is
// made, once a minute; so it costs the workers nothing.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "admin/alerts/alert.h"
#include "pool/histogram.h"
#include "pool/time.h"
#include "pool/trace.h"

namespace pgweir {

// Of one pool. At most `most_classes`, those that execute longest together; about 10 KB for each after days.
class SlowClasses {
 public:
  static constexpr std::size_t most_classes = 10;
  static constexpr std::size_t most_usual = 432;                // three days of ten minutes
  static constexpr std::size_t least_usual = 12;                // comparable ones, two hours
  static constexpr std::uint64_t least_executions = 100;        // in ten minutes
  static constexpr Duration resigned = std::chrono::hours(24);  // what lasts for so long is usual

  // One worker's part of a minute; `classes` are the fingerprints that the records count.
  void add(const TraceSegment& part, const std::vector<std::uint64_t>& classes);
  // To be called about once a second; does something when a minute is complete.
  void settle(Instant now);
  // The latest verdict, at most one for each class. `text_of` gives the words of a class.
  std::vector<AlertFinding> judge(const std::string& pool,
                                  const std::function<std::string(std::uint64_t)>& text_of,
                                  Instant now) const;

 private:
  struct Minute {
    PackedHistogram times;  // that PostgreSQL executed, of a transaction
    double mean = 0;        // seconds
  };
  struct Usual {
    double rate = 0;          // transactions of the pool in a second
    Duration half{}, nine{};  // 50 % and 90 % were at most so long
  };
  struct Slower {
    Instant since{};
    bool holds = false;
    Duration half{}, nine{}, usual_half{}, usual_nine{};
    double factor = 0;  // against usual
    std::size_t compared = 0;
  };
  struct Class {
    std::deque<Minute> minutes{};
    std::deque<Usual> usual{};
    int since_usual = 0;  // minutes since the last one was taken
    double load = 0;      // seconds of execution, lately
    std::optional<Slower> slower{};
  };

  void close_minute();
  void look_at(Class& one, Instant end);

  // The minute that is being put together.
  std::int64_t minute_ = -1;
  Instant end_{};
  std::map<std::uint64_t, Histogram> open_;
  double transactions_ = 0, seconds_ = 0;

  std::deque<double> rates_;  // of the last ten minutes
  std::map<std::uint64_t, Class> classes_;
};

}  // namespace pgweir
