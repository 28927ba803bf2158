#include "tests/wire/script.h"

#include <fstream>
#include <stdexcept>

namespace pgweir {
namespace {

Terms rest(const Terms& terms, std::size_t from) {
  return {terms.begin() + static_cast<std::ptrdiff_t>(std::min(from, terms.size())), terms.end()};
}

// `a> Message` and `a< Message`.
Step traffic(const std::string& connection, bool sending, Terms terms) {
  if (terms.empty()) throw std::runtime_error("a message is missing");
  if (sending) return {Step::Kind::send, 0, connection, std::move(terms), 0};
  if (terms[0].value == "until") return {Step::Kind::skip, 0, connection, rest(terms, 1), 0};
  if (terms[0].value == "byte") return {Step::Kind::expect_byte, 0, connection, rest(terms, 1), 0};
  if (terms[0].value == "unordered") return {Step::Kind::expect, 0, connection, rest(terms, 1), 1};
  return {Step::Kind::expect, 0, connection, std::move(terms), 0};
}

Step directive(const Terms& terms) {
  const std::string& verb = terms[0].value;
  if (terms.size() < 2) throw std::runtime_error("which connection?");
  const std::string& connection = terms[1].value;
  if (verb == "connect") return {Step::Kind::connect, 0, connection, rest(terms, 2), 0};
  if (verb == "tcp") return {Step::Kind::tcp, 0, connection, {}, 0};
  if (verb == "close") return {Step::Kind::close, 0, connection, {}, 0};
  if (verb == "cancel")
    return {Step::Kind::cancel, 0, connection, {}, terms.size() == 3 && terms[2].value == "until-answered"};
  if (verb == "split" && terms.size() == 3) {
    return {Step::Kind::split, 0, connection, {}, std::stoul(terms[2].value)};
  }
  throw std::runtime_error("unknown directive " + verb);
}

Step read_step(const std::string& line) {
  const std::size_t mark = line.find_first_of("<>");
  const std::size_t space = line.find_first_of(" \t");
  if (mark != std::string::npos && mark > 0 && mark < space) {
    return traffic(line.substr(0, mark), line[mark] == '>', parse_terms(line.substr(mark + 1)));
  }
  return directive(parse_terms(line));
}

}  // namespace

Script read_script(const std::filesystem::path& path) {
  Script script;
  script.name = path.stem();
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line == "# pgweir-only") script.for_postgres = false;
    if (line == "# postgres-only") script.for_pgweir = false;
    if (line.starts_with("# servers ")) script.servers = std::stoi(line.substr(10));
    const std::size_t start = line.find_first_not_of(" \t");
    if (start == std::string::npos || line[start] == '#') continue;
    try {
      script.steps.push_back(read_step(line.substr(start)));
    } catch (const std::exception& error) {
      throw std::runtime_error(path.string() + ":" + std::to_string(number) + ": " + error.what());
    }
    script.steps.back().line = number;
  }
  return script;
}

}  // namespace pgweir
