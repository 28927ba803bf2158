// SHOW RECOMMENDATION: the advice for one pool at length, a figure or a sentence a row.

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "admin/advise_pools.h"
#include "admin/picture.h"
#include "admin/pool_view.h"
#include "admin/show.h"
#include "admin/words.h"
#include "pool/time.h"

namespace pgweir {
namespace {

constexpr std::size_t fact_prose_width = 76;
constexpr int fact_picture_width = 30;

struct FactRow {
  std::string pool;
  const char* topic = "";
  std::string name;
  std::optional<std::string> value;
  const char* unit = "";
  std::string text;
};

using type_oid::text;

constexpr std::array facts_table{
    column<FactRow>(
        "pool", text, [](const FactRow& it) { return it.pool; }, "database/user."),
    column<FactRow>(
        "topic", text, [](const FactRow& it) { return it.topic; },
        "advice: what to do. size: the sizes that matter. measured: what it rests on, in the window that is "
        "named first. why: the reasons. unknown: what is not known, and lowers the confidence. what if: one "
        "row for each size. speed: how fast the server is, by statements that execute at once."),
    column<FactRow>(
        "name", text, [](const FactRow& it) { return it.name; }, "What the value is of."),
    column<FactRow>(
        "value", text, [](const FactRow& it) { return it.value; },
        "For programs; NULL: not known, or nothing but the text."),
    column<FactRow>(
        "unit", text, [](const FactRow& it) { return it.unit; }, "Of the value."),
    column<FactRow>(
        "text", text, [](const FactRow& it) { return wrapped_text(it.text, "", fact_prose_width); },
        "For people."),
};

std::string whole(double value) { return std::to_string(std::llround(value)); }

class Facts {
 public:
  explicit Facts(const AdvisedPool& pool)
      : pool_(pool), advice_(pool.advice), figures_(pool.advice.figures) {}

  std::vector<FactRow> take() {
    say_advice();
    say_sizes();
    if (figures_.transactions > 0) say_measured();
    list("why", advice_.reasons);
    list("unknown", advice_.missing);
    say_what_if();
    say_speed();
    return std::move(rows_);
  }

 private:
  void add(const char* topic, std::string name, std::optional<std::string> value, const char* unit,
           std::string words) {
    rows_.push_back({pool_.profile.pool, topic, std::move(name), std::move(value), unit, std::move(words)});
  }
  void size(const char* name, std::optional<int> value, std::string known, std::string unknown) {
    add("size", name, value ? std::optional(std::to_string(*value)) : std::nullopt, "connections",
        value ? std::move(known) : "? " + unknown);
  }
  void list(const char* topic, const std::vector<std::string>& sentences) {
    for (std::size_t i = 0; i < sentences.size(); ++i)
      add(topic, std::to_string(i + 1), {}, "", sentences[i]);
  }

  void say_advice() {
    add("advice", "verdict", to_string(advice_.verdict), "", advice_.in_short);
    if (const int now = advice_.current; advice_.recommended && *advice_.recommended != now)
      add("advice", "change", std::to_string(*advice_.recommended - now), "connections",
          "Set pool_size = " + std::to_string(*advice_.recommended) + " instead of " + std::to_string(now) +
              " where this pool has it from, its user, its database or default_pool_size, then RELOAD; or "
              "SHOW WHATIF " +
              pool_.profile.pool + " first.");
    add("advice", "decided by", to_string(advice_.decided_by), "", decided_by());
    const std::size_t gaps = advice_.missing.size();
    add("advice", "confidence", to_string(advice_.confidence), "",
        gaps == 0 ? "Nothing that is known to matter is missing."
                  : count_text(gaps, "thing is", "things are") + " not known, see below.");
  }

  const char* decided_by() const {
    switch (advice_.decided_by) {
      case DecidedBy::none:
        return "Nothing yet.";
      case DecidedBy::pool:
        return "The waits for a connection: it is the smallest size that keeps them within the target.";
      case DecidedBy::server:
        return "PostgreSQL: it gets no faster with more.";
      case DecidedBy::locks:
        return "PostgreSQL: it gets no faster with more, because statements wait for each other's locks.";
      case DecidedBy::idle_in_transaction:
        return "Clients that hold connections in a transaction without using them.";
      case DecidedBy::clients:
        return "The number of clients: there are no more that could use a connection.";
      case DecidedBy::limit:
        return "What other limits leave to this pool: of its database, its user, or the server.";
      case DecidedBy::incident:
        return "An incident: what was recorded is not typical.";
    }
    return "";
  }

  void say_sizes() {
    size("now", advice_.current, "pool_size as it is.", "");
    size("advised", advice_.recommended, "What it should be.", "not known: there is not enough data yet.");
    size("minimum", advice_.minimum, "With fewer the queue would grow, or throughput be lost.",
         "not known: there is not enough data, or clients only send again when they were answered.");
    size("ceiling", advice_.ceiling, "With more PostgreSQL finishes no more transactions.",
         advice_.highest_executing > 0
             ? "not known: up to " + std::to_string(advice_.highest_executing) +
                   " statements at once, the most that were seen, PostgreSQL got faster with each."
             : "not known: too few statements were seen at once.");
    size("reserve", advice_.reserve,
         "What the worst stretch that was left out would need on top, in case it comes again.",
         "not known: there is not enough data yet.");
    size("warm", advice_.warm, "In use for 95 % of the busy time, so worth keeping open (min_pool_size).",
         "not known: there is not enough data yet.");
    if (pool_.share)
      size("share", pool_.share, "What the server has for this pool when all get a fair part (SHOW BUDGET).",
           "");
  }

  void measured(const char* name, std::string value, const char* unit, std::string words) {
    add("measured", name, std::move(value), unit, std::move(words));
  }
  void say_measured() {
    measured("window", whole(in_seconds(figures_.window_length)), "s",
             advice_.window + (advice_.replayed
                                   ? ": its transactions were recorded, and replayed with other sizes."
                                   : ": from the sums of its minutes, by a formula."));
    measured("transactions", std::to_string(figures_.transactions), "", "In it.");
    measured("in use", number_text(figures_.mean_in_use, 2), "connections",
             "On average; at most " + std::to_string(figures_.p99_in_use) + " for 99 % of the time. " +
                 of_size(figures_.mean_in_use));
    measured("demand", number_text(figures_.mean_demand, 2), "connections",
             "On average, had nobody waited. " + of_size(figures_.mean_demand));
    measured("full", number_text(100 * figures_.full_share, 2), "%",
             "Of the time all connections were in use. " + bar(figures_.full_share, fact_picture_width));
    measured("waited", number_text(100 * figures_.waited_share, 2), "%",
             "Of the transactions had to wait for a connection. " +
                 bar(figures_.waited_share, fact_picture_width));
    measured("p99 wait", std::to_string(micros(figures_.p99_wait)), "us",
             "99 % waited " +
                 (figures_.p99_wait > Duration::zero() ? duration_text(figures_.p99_wait) + " or less"
                                                       : std::string("not at all")) +
                 "; the target is " + duration_text(pool_.profile.target_wait) + ".");
    if (const TrialResult& it = figures_.trials; it.any()) {
      measured("all servers", number_text(it.all.per_second(), 1), "/s",
               "Transactions, right before the trials with fewer servers (size_trials).");
      measured("fewer servers", number_text(it.some.per_second(), 1), "/s",
               "Transactions, while only " + std::to_string(it.some.servers) + " of " +
                   std::to_string(it.all.servers) + " were used, for " + duration_text(it.some.time) +
                   " in all.");
    }
    measured("gave up", std::to_string(figures_.gave_up), "clients", "Left without a connection.");
    measured("idle in transaction", number_text(100 * figures_.idle_in_transaction_share, 2), "%",
             "Of the time that connections were held, their clients did not use them. " +
                 bar(figures_.idle_in_transaction_share, fact_picture_width));
  }
  // Against the pool's size.
  std::string of_size(double connections) const {
    return bar(connections / std::max(1, advice_.current), fact_picture_width) + " of " +
           std::to_string(advice_.current);
  }

  // On a logarithmic scale from 0.1 ms up: waits differ by orders of magnitude.
  void say_what_if() {
    const auto length = [](double wait) { return wait <= 1e-4 ? 0.0 : std::log10(wait / 1e-4) / 6; };
    for (const WhatIf& it : advice_.what_if) {
      std::string words = bar(length(it.p99_wait), fact_picture_width);
      words += (words.empty() ? "" : " ") + std::string("99 % wait ") +
               (it.p99_wait > 0 ? duration_text(it.p99_wait) + " or less" : "not at all") + ", busy " +
               percent_text(it.busy_share);
      if (it.size == advice_.current) words += " <- now";
      if (it.size == advice_.recommended) words += " <- advice";
      if (it.beyond_evidence) words += " (more than were ever seen in use)";
      add("what if", std::to_string(it.size), whole(std::min(it.p99_wait, 1e9) * 1e6), "us",
          std::move(words));
    }
  }

  void say_speed() {
    double most = 0;
    for (const HostSpeed& it : advice_.speed) most = std::max(most, it.throughput);
    if (most <= 0) return;
    for (const HostSpeed& it : advice_.speed)
      add("speed", std::to_string(it.executing), number_text(it.throughput, 1), "statements/s",
          bar(it.throughput / most, fact_picture_width) + " each takes " + number_text(it.slowdown, 2) +
              " times as long as alone");
  }

  const AdvisedPool& pool_;
  const Advice& advice_;
  const AdviceFigures& figures_;
  std::vector<FactRow> rows_;
};

}  // namespace

CommandOutcome show_recommendation(CommandCall& call) {
  const auto pools = pools_named(call.arguments, call.world, MeasureDepth::minutes);
  if (!pools) return tl::unexpected(pools.error());
  std::vector<FactRow> rows;
  for (const AdvisedPool& pool : advise_pools(*pools, call.world))
    for (FactRow& row : Facts(pool).take()) rows.push_back(std::move(row));
  write_rows(call.out, facts_table, rows);
  return {};
}
std::vector<ColumnInfo> recommendation_columns() { return describe<facts_table>(); }

}  // namespace pgweir
