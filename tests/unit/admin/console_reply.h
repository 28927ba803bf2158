#pragma once
// What the console answered, taken apart, and a world to ask about.

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "admin/console.h"
#include "admin/settings_table.h"
#include "protocol/backend.h"
#include "protocol/reader.h"

namespace pgweir {

struct ConsoleReply {
  struct Result {
    std::vector<std::string> names;
    std::vector<std::uint32_t> oids;
    std::vector<std::vector<std::optional<std::string>>> rows;
    std::string tag;
  };
  std::vector<Result> results;                            // one for each CommandComplete
  std::string severity, sqlstate, message, detail, hint;  // of the error, or else of the notice
  bool failed = false, noticed = false, ready = false;
  int empty_queries = 0;
  ConsoleAction action = ConsoleAction::none;

  const Result& only() const {
    CAPTURE(message);
    REQUIRE_FALSE(failed);
    REQUIRE(results.size() == 1);
    return results[0];
  }
  // The value of a column in the first row in which `key_column` is `key`.
  std::string value(const std::string& key_column, const std::string& key, const std::string& name) const {
    for (const auto& row : only().rows) {
      if (row[index(key_column)] == key) return row[index(name)].value_or("NULL");
    }
    FAIL("no row " << key);
    return {};
  }
  std::size_t index(const std::string& name) const {
    const auto& names = only().names;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == name) return i;
    }
    FAIL("no column " << name);
    return 0;
  }
};

// Every byte must belong to a well-formed message; ReadyForQuery comes once, and last.
inline ConsoleReply read_reply(Bytes bytes) {
  ConsoleReply reply;
  ConsoleReply::Result result;
  while (!bytes.empty()) {
    REQUIRE_FALSE(reply.ready);
    Reader head(bytes);
    const char type = static_cast<char>(head.u8());
    const std::uint32_t size = head.u32();
    REQUIRE(head.ok());
    REQUIRE(size >= 4);
    REQUIRE(bytes.size() >= size + 1);
    const Bytes body = bytes.substr(5, size - 4);
    bytes.remove_prefix(size + 1);
    if (type == 'T') {
      const auto columns = read_row_description(body);
      REQUIRE(columns);
      for (const Column& it : *columns) {
        result.names.emplace_back(it.name);
        result.oids.push_back(it.oid);
      }
    } else if (type == 'D') {
      const auto row = read_data_row(body);
      REQUIRE(row);
      REQUIRE(row->size() == result.names.size());
      result.rows.emplace_back();
      for (const auto& value : *row)
        result.rows.back().push_back(value ? std::optional(std::string(*value)) : std::nullopt);
    } else if (type == 'C') {
      result.tag = read_command_complete(body).value();
      reply.results.push_back(std::move(result));
      result = {};
    } else if (type == 'E' || type == 'N') {
      const ErrorFields fields = read_error_fields(body);
      REQUIRE_FALSE(reply.failed);
      (type == 'E' ? reply.failed : reply.noticed) = true;
      reply.severity = fields.severity;
      reply.sqlstate = fields.sqlstate;
      reply.message = fields.message;
      reply.detail = fields.detail;
      reply.hint = fields.hint;
    } else if (type == 'I') {
      ++reply.empty_queries;
    } else if (type == 'Z') {
      REQUIRE(read_ready_for_query(body) == TransactionStatus::idle);
      reply.ready = true;
    } else {
      FAIL("unexpected message " << type);
    }
  }
  REQUIRE(result.names.empty());  // rows without their CommandComplete
  return reply;
}

inline ConsoleReply ask(Bytes query, const World& world, ConsolePrivilege rights = ConsolePrivilege::admin) {
  const ConsoleResult result = answer_console(query, rights, world);
  ConsoleReply reply = read_reply(result.bytes);
  reply.action = result.action;
  return reply;
}

// 2026-03-03 10:04:05 UTC is the process's start, an hour later it is now.
inline constexpr Duration test_wall_offset = std::chrono::seconds(1772532245);

inline World world_of(const Settings& settings, std::vector<WorkerSnapshot> workers = {}) {
  return {.settings = settings,
          .workers = std::move(workers),
          .now = Instant(std::chrono::hours(1)),
          .wall_offset = test_wall_offset};
}

}  // namespace pgweir
