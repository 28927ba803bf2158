#include "tests/wire/message_text.h"

#include <cstdint>
#include <map>
#include <stdexcept>

namespace pgweir {
namespace {

// ---- frontend ----

const Term& place(const Terms& terms, std::size_t index) {
  if (index >= terms.size()) throw std::runtime_error(terms[0].value + " needs more words");
  return terms[index];
}

std::uint32_t number(const Term& term) { return static_cast<std::uint32_t>(std::stol(term.value)); }

std::string c_string(const Term& term) { return term.value + '\0'; }

std::string code(std::uint16_t value) { return wire_int16(value); }

std::string formats(const Terms& terms, const std::string& key) {
  const Term* list = find_key(terms, key);
  if (!list) return code(0);
  std::string out = code(static_cast<std::uint16_t>(list->items.size()));
  for (const Term& item : list->items) out += code(static_cast<std::uint16_t>(number(item)));
  return out;
}

std::string values(const Terms& items) {
  std::string out = code(static_cast<std::uint16_t>(items.size()));
  for (const Term& item : items) {
    if (item.kind == Term::Kind::word && item.value == "null") {
      out += wire_int32(UINT32_MAX);
    } else {
      out += wire_int32(static_cast<std::uint32_t>(item.value.size())) + item.value;
    }
  }
  return out;
}

std::string with_length(const std::string& body) {
  return wire_int32(static_cast<std::uint32_t>(body.size() + 4)) + body;
}

// Startup 3.0 key=value ...
std::string startup(const Terms& terms) {
  const std::string& version = place(terms, 1).value;
  const std::size_t dot = version.find('.');
  std::string body =
      wire_int32(static_cast<std::uint32_t>(std::stoul(version) << 16 | std::stoul(version.substr(dot + 1))));
  for (std::size_t i = 2; i < terms.size(); ++i) body += terms[i].key + '\0' + terms[i].value + '\0';
  return with_length(body + '\0');
}

std::string raw_bytes(const Terms& terms) {
  std::string out;
  for (std::size_t i = 1; i < terms.size(); ++i) {
    const bool hex = terms[i].kind == Term::Kind::word;
    out += hex ? std::string(1, static_cast<char>(std::stoi(terms[i].value, nullptr, 16))) : terms[i].value;
  }
  return out;
}

std::string kind_and_name(const Terms& terms) { return place(terms, 1).value + c_string(place(terms, 2)); }

std::string parse_body(const Terms& terms) {
  std::string body = c_string(place(terms, 1)) + c_string(place(terms, 2));
  const Terms types = terms.size() > 3 ? terms[3].items : Terms();
  body += code(static_cast<std::uint16_t>(types.size()));
  for (const Term& type : types) body += wire_int32(number(type));
  return body;
}

std::string bind_body(const Terms& terms) {
  const bool has_values = terms.size() > 3 && terms[3].key.empty();
  return c_string(place(terms, 1)) + c_string(place(terms, 2)) + formats(terms, "pf") +
         values(has_values ? terms[3].items : Terms()) + formats(terms, "rf");
}

std::string function_call_body(const Terms& terms) {
  const Term* format = find_key(terms, "rf");
  return wire_int32(number(place(terms, 1))) + formats(terms, "pf") + values(place(terms, 2).items) +
         code(static_cast<std::uint16_t>(format ? number(*format) : 0));
}

// ---- backend ----

struct Malformed {};

class Body {
 public:
  explicit Body(const std::string& bytes) : bytes_(bytes) {}

  std::string take(std::size_t size) {
    if (bytes_.size() - at_ < size) throw Malformed{};
    return bytes_.substr((at_ += size) - size, size);
  }
  std::uint32_t integer(std::size_t size) {
    std::uint32_t value = 0;
    for (const char c : take(size)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  std::string text() {
    const std::size_t end = bytes_.find('\0', at_);
    if (end == std::string::npos) throw Malformed{};
    std::string value = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return value;
  }
  Term text_term() { return Term::text(text()); }
  Term number_term(std::size_t size) { return Term::word(std::to_string(integer(size))); }
  Term value() {
    const std::uint32_t size = integer(4);
    return size == UINT32_MAX ? Term::word("null") : Term::text(take(size));
  }
  bool more() const { return at_ < bytes_.size(); }
  std::string rest() { return take(bytes_.size() - at_); }

 private:
  const std::string& bytes_;
  std::size_t at_ = 0;
};

Terms row_description(Body& body) {
  Terms names, types, codes;
  for (std::uint32_t left = body.integer(2); left > 0; --left) {
    names.push_back(body.text_term());
    body.take(6);  // table and column number
    types.push_back(body.number_term(4));
    body.take(6);  // size and modifier
    codes.push_back(body.number_term(2));
  }
  return {Term::list(names), Term::list(types).named("types"), Term::list(codes).named("formats")};
}

Terms counted(Body& body, Term (*one)(Body&)) {
  Terms items;
  for (std::uint32_t left = body.integer(2); left > 0; --left) items.push_back(one(body));
  return {Term::list(items)};
}

Terms fields(Body& body) {
  Terms out;
  for (char letter = body.take(1)[0]; letter != '\0'; letter = body.take(1)[0]) {
    out.push_back(body.text_term().named(std::string(1, letter)));
  }
  return out;
}

Terms negotiation(Body& body) {
  const std::uint32_t version = body.integer(4);
  Terms options;
  for (std::uint32_t left = body.integer(4); left > 0; --left) options.push_back(body.text_term());
  return {Term::word(std::to_string(version >> 16) + "." + std::to_string(version & 0xffff)),
          Term::list(options)};
}

Terms copy_response(Body& body) {
  Terms out{body.number_term(1)};
  for (Term& term : counted(body, [](Body& b) { return b.number_term(2); })) out.push_back(term);
  return out;
}

struct Backend {
  const char* name;
  Terms (*decode)(Body&);
};

Terms nothing(Body&) { return {}; }

const std::map<char, Backend>& backend_messages() {
  static const std::map<char, Backend> messages{
      {'R', {"Authentication", [](Body& b) -> Terms { return {b.number_term(4)}; }}},
      {'S',
       {"ParameterStatus",
        [](Body& b) -> Terms {
          return {b.text_term(), b.text_term()};
        }}},
      {'K',
       {"BackendKeyData",
        [](Body& b) -> Terms {
          return {b.number_term(4), Term::text(b.rest())};
        }}},
      {'Z', {"ReadyForQuery", [](Body& b) -> Terms { return {Term::word(b.take(1))}; }}},
      {'T', {"RowDescription", row_description}},
      {'D', {"DataRow", [](Body& b) { return counted(b, [](Body& v) { return v.value(); }); }}},
      {'C', {"CommandComplete", [](Body& b) -> Terms { return {b.text_term()}; }}},
      {'I', {"EmptyQueryResponse", nothing}},
      {'E', {"ErrorResponse", fields}},
      {'N', {"NoticeResponse", fields}},
      {'A',
       {"NotificationResponse",
        [](Body& b) -> Terms {
          b.take(4);
          return {b.text_term(), b.text_term()};
        }}},
      {'1', {"ParseComplete", nothing}},
      {'2', {"BindComplete", nothing}},
      {'3', {"CloseComplete", nothing}},
      {'n', {"NoData", nothing}},
      {'s', {"PortalSuspended", nothing}},
      {'t',
       {"ParameterDescription",
        [](Body& b) { return counted(b, [](Body& v) { return v.number_term(4); }); }}},
      {'G', {"CopyInResponse", copy_response}},
      {'H', {"CopyOutResponse", copy_response}},
      {'W', {"CopyBothResponse", copy_response}},
      {'d', {"CopyData", [](Body& b) -> Terms { return {Term::text(b.rest())}; }}},
      {'c', {"CopyDone", nothing}},
      {'V', {"FunctionCallResponse", [](Body& b) -> Terms { return {b.value()}; }}},
      {'v', {"NegotiateProtocolVersion", negotiation}},
  };
  return messages;
}

}  // namespace

std::string encode_message(const Terms& terms) {
  const std::string name = place(terms, 0).value;
  if (name == "Query") return wire_message('Q', c_string(place(terms, 1)));
  if (name == "Parse") return wire_message('P', parse_body(terms));
  if (name == "Bind") return wire_message('B', bind_body(terms));
  if (name == "Describe") return wire_message('D', kind_and_name(terms));
  if (name == "Close") return wire_message('C', kind_and_name(terms));
  if (name == "Execute") {
    return wire_message('E', c_string(place(terms, 1)) + wire_int32(terms.size() > 2 ? number(terms[2]) : 0));
  }
  if (name == "Sync") return wire_message('S', "");
  if (name == "Flush") return wire_message('H', "");
  if (name == "CopyData") return wire_message('d', place(terms, 1).value);
  if (name == "CopyDone") return wire_message('c', "");
  if (name == "CopyFail") return wire_message('f', c_string(place(terms, 1)));
  if (name == "FunctionCall") return wire_message('F', function_call_body(terms));
  if (name == "Terminate") return wire_message('X', "");
  if (name == "Password") return wire_message('p', c_string(place(terms, 1)));
  if (name == "Startup") return startup(terms);
  if (name == "SSLRequest") return with_length(wire_int32(80877103));
  if (name == "GSSENCRequest") return with_length(wire_int32(80877104));
  if (name == "CancelRequest") {
    return with_length(wire_int32(80877102) + wire_int32(number(place(terms, 1))) + place(terms, 2).value);
  }
  if (name == "raw") return raw_bytes(terms);
  throw std::runtime_error("unknown message " + name);
}

Terms decode_message(const WireMessage& message) {
  if (message.closed()) return {Term::word("closed")};
  const auto found = backend_messages().find(message.type);
  if (found != backend_messages().end()) {
    try {
      Body body(message.body);
      Terms terms{Term::word(found->second.name)};
      for (Term& term : found->second.decode(body)) terms.push_back(std::move(term));
      if (!body.more()) return terms;
    } catch (const Malformed&) {
    }
  }
  return {Term::word("malformed"), Term::text(std::string(1, message.type)), Term::text(message.body)};
}

}  // namespace pgweir
