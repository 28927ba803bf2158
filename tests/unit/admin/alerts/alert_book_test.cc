#include "admin/alerts/alert_book.h"

#include <doctest/doctest.h>

#include <map>

#include "tests/unit/admin/alerts/alert_samples.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

constexpr auto queue_full = AlertKind::queue_full;
constexpr auto unreachable = AlertKind::server_unreachable;

std::string changes(const std::vector<AlertTransition>& transitions) {
  std::string text;
  for (const AlertTransition& it : transitions)
    text += (text.empty() ? "" : " ") + std::string(word_of(it.change)) + ":" + it.alert.finding.key.subject;
  return text;
}

}  // namespace

TEST_CASE("alerts: one begins, stays, and ends when its cause has been gone for long enough") {
  AlertBook book;
  CHECK(changes(book.look({finding_of(queue_full, "a")}, at(0s), 60s)) == "began:a");
  CHECK(book.look({finding_of(queue_full, "a")}, at(1s), 60s).empty());
  CHECK(book.look({}, at(2s), 60s).empty());
  CHECK(book.look({}, at(60s), 60s).empty());
  CHECK(book.active() == 1);
  const auto ended = book.look({}, at(61s), 60s);
  CHECK(changes(ended) == "ended:a");
  CHECK(ended[0].alert.since == at(0s));
  CHECK(ended[0].alert.ended == at(61s));
  CHECK(book.active() == 0);
  CHECK(book.list().size() == 1);
  CHECK(book.look({}, at(62s), 60s).empty());
}

TEST_CASE("alerts: a cause that comes and goes every second is one alert") {
  AlertBook book;
  int transitions = 0;
  for (int second = 0; second < 600; ++second) {
    std::vector<AlertFinding> findings;
    if (second % 2 == 0) findings.push_back(finding_of(queue_full, "a"));
    transitions += static_cast<int>(book.look(findings, at(std::chrono::seconds(second)), 60s).size());
  }
  CHECK(transitions == 1);
  CHECK(book.active() == 1);
}

TEST_CASE("alerts: whatever the causes do, none begins or ends twice within the hold") {
  AlertBook book;
  std::uint32_t random = 7;
  std::map<std::string, Instant> begun;
  for (int second = 0; second < 20'000; ++second) {
    std::vector<AlertFinding> findings;
    for (const char* const name : {"a", "b", "c"}) {
      random = random * 1664525 + 1013904223;
      const std::uint32_t draw = random >> 24;
      if (draw < 4) findings.push_back(finding_of(queue_full, name, AlertSeverity::critical));
      if (draw >= 4 && draw < 7)
        findings.push_back(finding_of(queue_full, name, AlertSeverity::notice, true));
    }
    const Instant now = at(std::chrono::seconds(second));
    for (const AlertTransition& it : book.look(findings, now, 30s)) {
      const std::string& name = it.alert.finding.key.subject;
      if (it.change == AlertChange::began) {
        if (const auto before = begun.find(name); before != begun.end()) CHECK(now - before->second >= 30s);
        begun[name] = now;
      }
      if (it.change == AlertChange::ended) CHECK(now - it.alert.since >= 30s);
    }
  }
  CHECK(begun.size() == 3);
  CHECK(book.list().size() <= AlertBook::most_ended + 3);
}

TEST_CASE("alerts: a weaker cause keeps one on, but begins none") {
  AlertBook book;
  const auto weak = finding_of(queue_full, "a", AlertSeverity::warning, true);
  CHECK(book.look({weak}, at(0s), 10s).empty());
  CHECK(book.active() == 0);
  CHECK(changes(book.look({finding_of(queue_full, "a")}, at(1s), 10s)) == "began:a");
  for (int second = 2; second < 100; ++second)
    CHECK(book.look({weak}, at(std::chrono::seconds(second)), 10s).empty());
  CHECK(changes(book.look({}, at(109s), 10s)) == "ended:a");
}

TEST_CASE("alerts: it gets worse at once, and milder after the hold") {
  AlertBook book;
  const auto critical = finding_of(queue_full, "a", AlertSeverity::critical);
  const auto notice = finding_of(queue_full, "a", AlertSeverity::notice);
  book.look({notice}, at(0s), 60s);
  CHECK(changes(book.look({critical}, at(1s), 60s)) == "changed:a");
  CHECK(book.look({notice}, at(2s), 60s).empty());
  CHECK(book.list()[0].finding.severity == AlertSeverity::critical);
  CHECK(book.look({critical}, at(30s), 60s).empty());
  CHECK(book.look({notice}, at(89s), 60s).empty());
  const auto milder = book.look({notice}, at(90s), 60s);
  CHECK(changes(milder) == "changed:a");
  CHECK(milder[0].alert.finding.severity == AlertSeverity::notice);
  CHECK(milder[0].alert.worst == AlertSeverity::critical);
  CHECK(book.look({critical, notice}, at(91s), 60s)[0].alert.finding.severity == AlertSeverity::critical);
}

TEST_CASE("alerts: what must last a while begins then, and not when there was a break") {
  AlertBook book;
  const std::vector<AlertFinding> down{finding_of(unreachable, "a")};
  CHECK(book.look(down, at(0s), 60s).empty());
  CHECK(book.look(down, at(1s), 60s).empty());
  CHECK(book.look({}, at(2s), 60s).empty());
  CHECK(book.look(down, at(3s), 60s).empty());
  CHECK(book.look(down, at(4s), 60s).empty());
  CHECK(changes(book.look(down, at(5s), 60s)) == "began:a");
}

TEST_CASE("alerts: the worst come first, then the last that ended; all of it is bounded") {
  AlertBook book;
  std::vector<AlertFinding> many;
  for (std::size_t i = 0; i < AlertBook::most_active + 50; ++i)
    many.push_back(finding_of(queue_full, std::to_string(i), AlertSeverity::notice));
  CHECK(book.look(many, at(0s), 10s).size() == AlertBook::most_active);
  CHECK(book.left_out() == 50);
  CHECK(book.look({}, at(10s), 10s).size() == AlertBook::most_active);
  CHECK(book.list().size() == AlertBook::most_ended);
  book.look({finding_of(queue_full, "x", AlertSeverity::notice)}, at(20s), 10s);
  book.look({finding_of(queue_full, "y", AlertSeverity::critical)}, at(21s), 10s);
  const auto list = book.list();
  CHECK(list.size() == AlertBook::most_ended + 2);
  CHECK(list[0].finding.key.subject == "y");
  CHECK(list[1].finding.key.subject == "x");
  CHECK(list[2].ended == at(10s));
}
