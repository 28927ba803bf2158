#include "admin/row_filter.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "protocol/backend.h"
#include "protocol/reader.h"

namespace pgweir {
namespace {

using Failure = tl::unexpected<ConsoleError>;

Failure wrong_filter(std::string message, std::string hint = {}) {
  return Failure(ConsoleError{sqlstate::syntax_error, std::move(message), {}, std::move(hint)});
}

bool is_keyword(const Token& token, Bytes word) { return token.kind == Token::Kind::word && token.is(word); }

bool is_number(std::uint32_t oid) {
  return oid == type_oid::int4 || oid == type_oid::int8 || oid == type_oid::numeric;
}

std::optional<long double> number_from(const std::string& text) {
  if (text.empty() || text.find_first_not_of("-.0123456789") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const long double value = std::strtold(text.c_str(), &end);
  return end == text.c_str() + text.size() ? std::optional<long double>(value) : std::nullopt;
}

// % stands for any text and _ for one byte. Each byte is looked at as often as the pattern has a %, at most
// as often as it is long: going back is only needed to the last %.
bool is_like(Bytes text, Bytes pattern) {
  std::size_t t = 0, p = 0;
  std::optional<std::size_t> star;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && (pattern[p] == '_' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star) {
      p = *star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('%', p) == Bytes::npos;
}

int sign(long double a, long double b) { return a < b ? -1 : a > b ? 1 : 0; }

struct Table {
  std::vector<Column> columns;
  Bytes description;  // the message
  struct Row {
    Bytes message;
    std::vector<std::optional<Bytes>> values;
  };
  std::vector<Row> rows;

  std::optional<std::size_t> index(const std::string& name) const {
    const Token token{Token::Kind::word, name};
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (token.is(columns[i].name)) return i;
    }
    return std::nullopt;
  }
  // The values are there and, in a column of numbers, numbers.
  int compare(std::size_t column, Bytes a, Bytes b) const {
    if (is_number(columns[column].oid))
      return sign(number_from(std::string(a)).value_or(0), number_from(std::string(b)).value_or(0));
    return a.compare(b);
  }
};

Table read_table(Bytes answer) {
  Table table;
  while (answer.size() >= 5) {
    const std::size_t size =
        std::min<std::size_t>(Reader(answer.substr(1, 4)).u32() + std::size_t{1}, answer.size());
    const Bytes message = answer.substr(0, size);
    if (message[0] == 'T') {
      table.description = message;
      table.columns = read_row_description(message.substr(5)).value_or(std::vector<Column>{});
    } else if (message[0] == 'D') {
      if (auto values = read_data_row(message.substr(5))) table.rows.push_back({message, std::move(*values)});
    }
    answer.remove_prefix(size);
  }
  return table;
}

ConsoleError no_column(const Table& table, const std::string& name) {
  std::string names;
  for (const Column& it : table.columns) names += (names.empty() ? "" : ", ") + std::string(it.name);
  return {
      sqlstate::syntax_error, "no column \"" + printable(name, 64) + "\"", {}, "There are: " + names + "."};
}

}  // namespace

std::size_t tokens_before_filter(std::span<const Token> tokens) {
  const auto found = std::find_if(tokens.begin(), tokens.end(), [](const Token& it) {
    return is_keyword(it, "WHERE") || is_keyword(it, "ORDER") || is_keyword(it, "LIMIT") ||
           is_keyword(it, "OFFSET");
  });
  return static_cast<std::size_t>(found - tokens.begin());
}

class RowFilter::Parser {
 public:
  explicit Parser(std::span<const Token> tokens) : rest_(tokens) {}

  tl::expected<RowFilter, ConsoleError> parse() {
    RowFilter filter;
    if (take("WHERE")) {
      do {
        auto condition = take_condition();
        if (!condition) return Failure(condition.error());
        filter.conditions_.push_back(std::move(*condition));
      } while (take("AND"));
    }
    if (take("ORDER")) {
      if (!take("BY")) return wrong_filter("expected BY behind ORDER");
      do {
        auto column = take_column();
        if (!column) return Failure(column.error());
        const bool descending = take("DESC");
        if (!descending) take("ASC");
        filter.orders_.push_back({std::move(*column), descending});
      } while (take_symbol(','));
    }
    while (!rest_.empty()) {
      const bool limit = take("LIMIT");
      if (!limit && !take("OFFSET")) break;
      const auto count = take_count();
      if (!count) return wrong_filter("LIMIT and OFFSET need a whole number");
      if (limit) {
        filter.limit_ = *count;
      } else {
        filter.offset_ = *count;
      }
    }
    if (rest_.empty()) return filter;
    return wrong_filter(
        "syntax error at \"" + printable(rest_[0].text, 64) + "\"",
        "Possible are WHERE column = value AND ..., ORDER BY column DESC, ..., LIMIT n OFFSET n; "
        "operators: = <> < <= > >= LIKE, NOT LIKE, IS NULL, IS NOT NULL.");
  }

 private:
  bool take(Bytes word) {
    if (rest_.empty() || !is_keyword(rest_[0], word)) return false;
    rest_ = rest_.subspan(1);
    return true;
  }
  bool take_symbol(char symbol) {
    if (rest_.empty() || !rest_[0].is_symbol(symbol)) return false;
    rest_ = rest_.subspan(1);
    return true;
  }
  tl::expected<std::string, ConsoleError> take_column() {
    const bool there =
        !rest_.empty() && (rest_[0].kind == Token::Kind::word || rest_[0].kind == Token::Kind::quoted);
    if (!there) return wrong_filter("expected the name of a column");
    std::string name = rest_[0].text;
    rest_ = rest_.subspan(1);
    return name;
  }
  std::optional<std::size_t> take_count() {
    std::size_t count = 0;
    if (rest_.empty()) return std::nullopt;
    const std::string& text = rest_[0].text;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    rest_ = rest_.subspan(1);
    return count;
  }
  std::optional<Operator> take_operator() {
    if (take("LIKE")) return Operator::like;
    if (take("NOT")) return take("LIKE") ? std::optional(Operator::unlike) : std::nullopt;
    if (take("IS")) {
      const bool no = take("NOT");
      if (!take("NULL")) return std::nullopt;
      return no ? Operator::is_not_null : Operator::is_null;
    }
    if (take_symbol('=')) return Operator::equal;
    if (take_symbol('!')) return take_symbol('=') ? std::optional(Operator::unequal) : std::nullopt;
    if (take_symbol('<')) {
      if (take_symbol('>')) return Operator::unequal;
      return take_symbol('=') ? Operator::less_equal : Operator::less;
    }
    if (take_symbol('>')) return take_symbol('=') ? Operator::more_equal : Operator::more;
    return std::nullopt;
  }
  tl::expected<Condition, ConsoleError> take_condition() {
    auto column = take_column();
    if (!column) return Failure(column.error());
    const auto op = take_operator();
    if (!op) return wrong_filter("expected an operator behind \"" + printable(*column, 64) + "\"");
    Condition condition{std::move(*column), *op};
    if (*op == Operator::is_null || *op == Operator::is_not_null) return condition;
    if (take_symbol('-')) condition.value = "-";
    const bool there = !rest_.empty() && rest_[0].kind != Token::Kind::symbol;
    if (!there)
      return wrong_filter("expected a value to compare \"" + printable(condition.column, 64) + "\" with");
    condition.value += rest_[0].text;
    rest_ = rest_.subspan(1);
    return condition;
  }

  std::span<const Token> rest_;
};

tl::expected<RowFilter, ConsoleError> RowFilter::parse(std::span<const Token> tokens) {
  return Parser(tokens).parse();
}

tl::expected<std::string, ConsoleError> RowFilter::apply(Bytes answer) const {
  Table table = read_table(answer);
  for (const Condition& condition : conditions_) {
    const auto index = table.index(condition.column);
    if (!index) return Failure(no_column(table, condition.column));
    const bool as_text = condition.op >= Operator::like || !is_number(table.columns[*index].oid);
    if (!as_text && !number_from(condition.value)) {
      return wrong_filter("\"" + printable(condition.column, 64) + "\" is a number, \"" +
                          printable(condition.value, 64) + "\" is none");
    }
    std::erase_if(table.rows, [&](const Table::Row& row) {
      const std::optional<Bytes>& value = row.values[*index];
      if (condition.op == Operator::is_null) return value.has_value();
      if (!value) return true;
      if (condition.op == Operator::like) return !is_like(*value, condition.value);
      if (condition.op == Operator::unlike) return is_like(*value, condition.value);
      if (condition.op == Operator::is_not_null) return false;
      const int order = table.compare(*index, *value, condition.value);
      switch (condition.op) {
        case Operator::equal:
          return order != 0;
        case Operator::unequal:
          return order == 0;
        case Operator::less:
          return order >= 0;
        case Operator::less_equal:
          return order > 0;
        case Operator::more:
          return order <= 0;
        case Operator::more_equal:
          return order < 0;
        case Operator::like:
        case Operator::unlike:
        case Operator::is_null:
        case Operator::is_not_null:
          break;
      }
      return false;
    });
  }
  std::vector<std::pair<std::size_t, bool>> orders;
  for (const Order& order : orders_) {
    const auto index = table.index(order.column);
    if (!index) return Failure(no_column(table, order.column));
    orders.emplace_back(*index, order.descending);
  }
  std::stable_sort(table.rows.begin(), table.rows.end(), [&](const Table::Row& a, const Table::Row& b) {
    for (const auto& [index, descending] : orders) {
      const auto &left = a.values[index], &right = b.values[index];
      // As in PostgreSQL: NULL is larger than all.
      int order = static_cast<int>(!left) - static_cast<int>(!right);
      if (left && right) order = table.compare(index, *left, *right);
      if (order != 0) return descending ? order > 0 : order < 0;
    }
    return false;
  });
  std::string out(table.description);
  const std::size_t begin = std::min(offset_, table.rows.size());
  const std::size_t count = std::min(limit_.value_or(table.rows.size()), table.rows.size() - begin);
  for (std::size_t i = begin; i < begin + count; ++i) out += table.rows[i].message;
  return out;
}

}  // namespace pgweir
