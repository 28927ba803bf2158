#include "admin/alerts/alert_json.h"

#include <cmath>
#include <ctime>

#include "admin/words.h"

namespace pgweir {
namespace {

constexpr std::size_t most_characters = 2000;  // of one text

std::string quoted(Bytes text) {
  std::string out = "\"";
  // Valid UTF-8 without control characters, whatever peers have put into it.
  for (const char c : line_text(text, most_characters)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string time_json(Instant at, Duration wall_offset) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at.time_since_epoch() + wall_offset).count();
  const auto time = static_cast<std::time_t>(seconds);
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[40];
  std::strftime(text, sizeof text, "\"%Y-%m-%dT%H:%M:%SZ\"", &utc);
  return text;
}

}  // namespace

std::string alert_json(const AlertTransition& transition, Duration wall_offset) {
  const Alert& alert = transition.alert;
  const AlertFinding& finding = alert.finding;
  std::string out =
      "{\"event\":" + quoted(word_of(transition.change)) + ",\"id\":" + std::to_string(alert.id) +
      ",\"alert\":" + quoted(row(finding.key.kind).label) +
      ",\"severity\":" + quoted(word_of(finding.severity)) + ",\"worst\":" + quoted(word_of(alert.worst));
  if (!finding.key.subject.empty()) out += ",\"subject\":" + quoted(finding.key.subject);
  out += ",\"since\":" + time_json(alert.since, wall_offset);
  if (alert.ended) out += ",\"ended\":" + time_json(*alert.ended, wall_offset);
  if (std::isfinite(finding.value)) out += ",\"value\":" + number_text(finding.value, 3);
  if (std::isfinite(finding.limit)) out += ",\"limit\":" + number_text(finding.limit, 3);
  out += ",\"unit\":" + quoted(finding.unit) + ",\"reason\":" + quoted(finding.reason) +
         ",\"action\":" + quoted(finding.action) + "}";
  return out;
}

}  // namespace pgweir
