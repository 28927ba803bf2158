#pragma once
// Whether a minute of a pool was an incident: its statements took far longer than they usually do, with no
// more traffic than usual, as behind a pile-up of locks. Such a minute shows a demand that the traffic does
// not have; no size is for it.
//
// Each kind of statement is compared with itself, so that heavier work at another time of the day is none. A
// plain value.

#include <cstdint>
#include <deque>
#include <map>

#include "pool/trace.h"

namespace pgweir {

class IncidentWatch {
 public:
  static constexpr std::size_t least_usual = 5, most_usual = 30;  // minutes to compare with
  static constexpr std::size_t least_executions = 20;             // of a kind, in a minute
  static constexpr double slower = 3;                             // times as long as usual
  // Of the time that statements executed, so much must be what they took longer than usual.
  static constexpr double excess_share = 0.5;
  static constexpr double more_traffic = 1.5;  // times the usual rate: then that may be the reason
  static constexpr int resigned = 60;          // minutes in a row: it is usual now

  bool is_incident(const TraceSegment& minute) const;
  // The same of a minute that is complete, which is then part of what is usual, or not.
  bool add(const TraceSegment& minute);

 private:
  struct Times {
    std::size_t count = 0;
    double median = 0, mean = 0;  // microseconds
  };
  struct Minute {
    double rate = 0;  // arrivals in a second
    std::map<std::uint8_t, Times> classes;
  };

  static Minute measure(const TraceSegment& segment);
  bool is_incident(const Minute& minute) const;

  std::deque<Minute> usual_;
  int pool_size_ = 0;  // another size may be the reason
  int lasting_ = 0;
};

}  // namespace pgweir
