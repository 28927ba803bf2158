#pragma once
// Columns as tables: what a SHOW sends, what its reference says, and how a value gets there are one row each.
// RowDescription, DataRow and the reference are all made from the same list.

#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/backend.h"
#include "protocol/bytes.h"
#include "protocol/writer.h"

namespace pgweir {

using Cell = std::optional<std::string>;  // text format; nothing is NULL

inline Cell to_cell(std::integral auto value) { return std::to_string(value); }
inline Cell to_cell(std::string value) { return value; }
inline Cell to_cell(const char* value) { return std::string(value); }
inline Cell to_cell(Cell value) { return value; }
inline Cell to_cell(std::optional<std::uint64_t> value) {
  return value ? Cell(std::to_string(*value)) : Cell();
}
inline Cell to_cell(std::optional<int> value) { return value ? Cell(std::to_string(*value)) : Cell(); }

// What the reference prints of a column.
struct ColumnInfo {
  Bytes name;
  std::uint32_t oid = type_oid::text;
  Bytes doc;
};

template <class Row>
struct ShowColumn {
  ColumnInfo info;
  Cell (*get)(const Row&) = nullptr;
};

// `get` is a lambda without captures that returns anything of which a Cell can be made.
template <class Row, class Get>
constexpr ShowColumn<Row> column(Bytes name, std::uint32_t oid, Get, Bytes doc) {
  return {{name, oid, doc}, [](const Row& row) { return to_cell(Get{}(row)); }};
}

template <const auto& columns>
std::vector<ColumnInfo> describe() {
  std::vector<ColumnInfo> infos;
  for (const auto& it : columns) infos.push_back(it.info);
  return infos;
}

// RowDescription and a DataRow for each row; returns the number of rows.
template <class Row, std::size_t n, class Rows>
std::size_t write_rows(Writer& out, const std::array<ShowColumn<Row>, n>& columns, const Rows& rows) {
  std::array<Column, n> header;
  for (std::size_t i = 0; i < n; ++i) header[i] = {columns[i].info.name, columns[i].info.oid};
  write_row_description(out, header);
  std::array<Cell, n> cells;
  std::array<std::optional<Bytes>, n> values;
  std::size_t count = 0;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < n; ++i) {
      cells[i] = columns[i].get(row);
      values[i] = cells[i] ? std::optional<Bytes>(*cells[i]) : std::nullopt;
    }
    write_data_row(out, values);
    ++count;
  }
  return count;
}

}  // namespace pgweir
