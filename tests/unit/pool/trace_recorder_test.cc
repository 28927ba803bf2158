#include "pool/trace_recorder.h"

#include <doctest/doctest.h>

#include "pool/meter.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

const Instant start(120s);  // a whole minute

Use begin(Meter& meter, std::uint32_t client, Instant arrived, Instant served) {
  Use use;
  meter.arrived(use, arrived);
  use.client = client;
  if (served > arrived) meter.queued(use, arrived);
  meter.served(use, WaitReason::pool_full, served);
  meter.linked(use, served);
  return use;
}

}  // namespace

TEST_CASE("trace: the parts of a transaction add up to the time that it held its server") {
  Meter meter(start);
  Use use = begin(meter, 7, start + 1s, start + 3s);
  meter.query_started(use, start + 4s);
  meter.query_finished(use, true, start + 9s, 11);
  meter.query_started(use, start + 12s);
  meter.query_finished(use, false, start + 13s, 12);
  meter.released(use, start + 15s);

  const TraceSegment segment = meter.trace({}, start + 20s);
  CHECK(segment.start == start);
  CHECK(segment.length == 20s);
  REQUIRE(segment.records.size() == 1);
  const TraceRecord& record = segment.records[0];
  CHECK(record.client == 7);
  CHECK(record.arrival_us == 1'000'000);
  CHECK(record.wait_us == 2'000'000);
  CHECK(record.executing_us == 6'000'000);
  CHECK(record.think_us == 3'000'000);
  CHECK(record.other_us() >= 2'990'000);
  CHECK(record.other_us() <= 3'000'000);
  CHECK(record.flags == 0);
  // The class of the query that took longest.
  REQUIRE(record.statement_class < meter.trace_classes().size());
  CHECK(meter.trace_classes()[record.statement_class] == 11);
}

TEST_CASE("trace: who is still there when a minute ends is in it, and in the next one") {
  Meter meter(start);
  Use running = begin(meter, 1, start + 50s, start + 50s);
  meter.query_started(running, start + 50s);
  Use waiting;
  meter.arrived(waiting, start + 58s);
  meter.queued(waiting, start + 58s);
  Use none;
  const Use* const live[] = {&running, &waiting, &none};
  const TraceSegment first = meter.trace(live, start + 60s);
  meter.cut(start + 60s);
  REQUIRE(first.records.size() == 2);
  CHECK(first.records[0].flags == TraceRecord::running);
  CHECK(first.records[0].executing_us == 10'000'000);
  CHECK(first.records[1].flags == TraceRecord::waiting);
  CHECK(first.records[1].wait_us == 2'000'000);

  meter.query_finished(running, false, start + 61s, 5);
  meter.released(running, start + 61s);
  meter.abandoned(waiting, GaveUp::timed_out, start + 65s);
  const TraceSegment second = meter.trace({}, start + 70s);
  REQUIRE(second.records.size() == 2);
  CHECK(second.records[0].arrival_us == -10'000'000);
  CHECK(second.records[0].executing_us == 11'000'000);
  CHECK(second.records[1].flags == TraceRecord::gave_up);
  CHECK(second.records[1].wait_us == 7'000'000);
}

TEST_CASE("trace: a minute with too many transactions is cut short, not thinned") {
  Meter meter(start);
  const Duration step = 200us;
  Instant now = start;
  for (std::size_t i = 0; i < TraceRecorder::most_records + 100; ++i) {
    Use use = begin(meter, 1, now, now);
    meter.query_started(use, now);
    now += step;
    meter.query_finished(use, false, now);
    meter.released(use, now);
  }
  const TraceSegment segment = meter.trace({}, now);
  CHECK(segment.records.size() == TraceRecorder::most_records);
  CHECK(segment.length == step * static_cast<std::int64_t>(TraceRecorder::most_records));
  meter.cut(now);
  CHECK(meter.trace({}, now + 1s).records.empty());
}

TEST_CASE("trace: more classes than it can number are all the rest") {
  Meter meter(start);
  for (std::uint64_t id = 1; id <= 300; ++id) {
    Use use = begin(meter, 1, start, start);
    meter.query_started(use, start);
    meter.query_finished(use, false, start + 1ms, id);
    meter.released(use, start + 1ms);
  }
  const TraceSegment segment = meter.trace({}, start + 1s);
  CHECK(meter.trace_classes().size() == 255);
  CHECK(segment.records.back().statement_class == 0);
  CHECK(segment.records[0].statement_class == 1);
}
