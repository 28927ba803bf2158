#pragma once
// What one PostgreSQL session does with the messages it gets: transactions, settings, the simple and the
// extended protocol, portals, COPY, errors with skip-until-Sync. A pure machine: messages in, messages out,
// one step at a time.
//
// It has two users: a backend of the simulated server runs it for real; a simulated client runs another one
// beside its connection to know which replies it must get.
//
// The statements are a toy language. The replies carry who asked, on which server, in which transaction and
// with which settings, so that any mix-up is visible:
//
//   [/*c<client> s<serial>*/] ask [rows N] [size B] [sleep MS] [error] [notice]
//   copy_in, copy_out rows N size B, BEGIN, COMMIT, ROLLBACK, SET name = value, RESET ALL, DISCARD ALL,
//   SELECT pg_catalog.set_config(name, value, false), SELECT anything
//
// Behaviour follows PostgreSQL 15 (postgres.c, xact.c, copyfromparse.c, guc.c).

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pool/time.h"
#include "protocol/bytes.h"

namespace pgweir::sim {

struct Message {
  char type = 0;
  std::string body;
  friend bool operator==(const Message&, const Message&) = default;
};

// Which client sent a statement, and its running number; client 0 for statements without a mark.
struct Owner {
  int client = 0;
  int serial = 0;
  bool known() const { return client != 0; }
};

// Session parameters by their proper names.
using ToySettings = std::map<std::string, std::string>;
// What a server starts with, before the startup packet is applied.
const ToySettings& default_settings();
// The proper name of a parameter in any case; empty when there is none.
std::string setting_name(Bytes name);
// Whether the server reports it by ParameterStatus.
bool is_reported(const std::string& name);

std::string owner_mark(Owner owner);
std::string error_body(Bytes severity, Bytes code, Bytes message);
// A field of an ErrorResponse or NoticeResponse; empty when it is not there.
std::string error_field(Bytes body, char field);

// The columns of a row that `ask` returns.
enum class AskColumn : std::uint8_t {
  client,
  serial,
  row,
  pid,
  transaction,
  time_zone,
  application,
  date_style,
  filler
};
inline constexpr std::size_t ask_columns = 9;

class ToySession {
 public:
  ToySession(ToySettings settings, std::string pid);

  void feed(char type, std::string body) { input_.push_back({type, std::move(body)}); }
  // Runs the next message, or the next statement of one. False when it sleeps or needs input.
  bool step();

  // A statement takes its time; until wake() or interrupt() nothing else happens.
  bool sleeping() const { return sleep_ > Duration::zero(); }
  Duration sleep() const { return sleep_; }
  void wake();
  // The sleeping statement, or the COPY, fails.
  void interrupt(Bytes code, Bytes message);
  // As a cancel does that arrives during COPY: it is noticed with the next copy message.
  void interrupt_copy() { copy_canceled_ = true; }
  bool copying_in() const { return copy_.has_value(); }
  // Whose statement runs now.
  Owner running() const;

  // For the client's model: no transaction is open and the next message would start one.
  bool at_transaction_start() const;
  // The next message fails instead of being run, as when no server could be had for it.
  void refuse_next(Bytes code);
  // What RESET ALL goes back to, when that is not what the session began with.
  void set_reset_values(ToySettings settings) { start_ = std::move(settings); }
  // The next message brings no reply.
  bool next_is_silent() const;
  bool has_input() const { return !input_.empty() || query_ || sleeping(); }

  // A COPY has failed: if a Sync was on its way then, nobody can tell from outside whether the COPY has eaten
  // it, so a proxy may have to leave this session its server.
  bool unclear() const { return unclear_; }
  // Nothing is open, under way, or waited for.
  bool at_rest() const { return !open_ && !skipping_ && !copy_ && !has_input(); }

  std::vector<Message> take_output() { return std::exchange(output_, {}); }
  // Something was produced that PostgreSQL does not keep back in its buffer.
  bool take_flush() { return std::exchange(flush_, false); }
  bool terminated() const { return terminated_; }
  char status() const { return block_ == Block::none ? 'I' : block_ == Block::open ? 'T' : 'E'; }
  bool in_transaction() const { return open_; }
  int transaction() const { return transaction_; }
  const ToySettings& settings() const { return settings_; }
  const ToySettings& reported() const { return reported_; }
  // Messages of a login: ParameterStatus of everything that is reported.
  void report_all();
  // What cannot happen with one honest client, in words; empty when all is well.
  std::string take_complaint() { return std::exchange(complaint_, {}); }

 private:
  enum class Block : std::uint8_t { none, open, failed };

  struct Statement {
    Owner owner;
    std::string text;  // without the mark
    std::string word;  // the first word, in lower case
    int rows = 1, size = 0;
    Duration sleep{};
    bool error = false, notice = false;
  };
  struct Portal {
    Statement statement{};
    std::vector<std::string> arguments{};
    int sent = 0;
    bool slept = false;
    bool done = false;
  };
  struct Query {
    std::deque<std::string> statements;
    bool multiple = false;
  };
  struct Copy {
    Owner owner;
    bool extended = false;
    int rows = 0;
  };
  struct Running {
    Statement statement{};
    bool extended = false;
    std::string portal{};
    std::uint32_t limit = 0;
  };

  static Statement parse(Bytes text);
  void handle(const Message& message);
  void handle_copy(const Message& message);
  void begin_query(Bytes text);
  void finish_query();
  void on_parse(Bytes body);
  void on_bind(Bytes body);
  void on_describe(Bytes body);
  void on_execute(Bytes body);
  void on_close(Bytes body);
  void on_function_call();

  void start(Running running);
  void run(const Running& running);
  void run_ask(const Running& running);
  void run_copy_out(const Statement& statement);
  void run_set(const Statement& statement);
  void run_select(const Running& running);
  bool run_transaction_word(const Statement& statement);
  void describe_rows(const Statement& statement);
  void set_value(Bytes name, std::string value);

  void need_transaction();
  void note_owner(Owner owner, const Statement* statement);
  void end_transaction(bool commit);
  void raise(Bytes code, Bytes message);
  void notice(Bytes code, Bytes message);
  void ready();
  void emit(char type, std::string body = {}) { output_.push_back({type, std::move(body)}); }
  void complete(Bytes tag);
  bool refused_in_failed_block(const Statement& statement);

  std::string pid_;
  ToySettings settings_, saved_, start_, reported_;
  std::deque<Message> input_;
  std::vector<Message> output_;
  std::string complaint_;

  Block block_ = Block::none;
  bool open_ = false;  // a transaction is open, with or without a block
  int transaction_ = 0;
  Owner transaction_owner_;
  bool transaction_unmarked_ = false;  // a statement without an owner has run in it
  bool skipping_ = false;
  bool extended_ = false;  // the message being run belongs to the extended protocol
  bool flush_ = false, terminated_ = false, copy_canceled_ = false, unclear_ = false;
  std::optional<Query> query_;
  std::optional<Copy> copy_;
  Running running_;
  Duration sleep_{};
  std::map<std::string, Statement> statements_;
  std::map<std::string, Portal> portals_;
};

}  // namespace pgweir::sim
