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
//   copy_in, copy_out rows N size B, BEGIN, COMMIT, ROLLBACK, SET [LOCAL] name = value, RESET name | ALL,
//   SELECT pg_catalog.set_config(name, value, is_local), SELECT pg_advisory_lock(N), pg_advisory_unlock(N),
//   pg_advisory_unlock_all(), CREATE TEMP TABLE name, DROP TABLE name, DEALLOCATE name | ALL, DISCARD ALL,
//   LISTEN channel, UNLISTEN channel | *, NOTIFY channel, payload,
//   the proxy's question about the session (proxy/session/session_state.cc), SELECT anything
//
// A prepared statement without a mark, such as may be equal for several clients, gets its owner's mark as the
// first argument of Bind. `broken` is a syntax error to Parse.
//
// Behaviour follows PostgreSQL 15 (postgres.c, xact.c, copyfromparse.c, guc.c).

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "pool/time.h"
#include "protocol/bytes.h"
#include "tests/sim/toy_state.h"

namespace pgweir::sim {

struct Message {
  char type = 0;
  std::string body;
  friend bool operator==(const Message&, const Message&) = default;
};

std::string owner_mark(Owner owner);
std::string error_body(Bytes severity, Bytes code, Bytes message, Bytes routine = {});
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
  unreported,  // parameters that are not reported, temporary tables, locks
  text,        // of the statement, as it was parsed
  filler
};
inline constexpr std::size_t ask_columns = 11;

class ToySession {
 public:
  ToySession(const ToySettings& settings, std::string pid);

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

  // For the client's model: no server knows of a transaction and the next message would start one.
  bool at_transaction_start() const;
  // The next message fails instead of being run, as when no server could be had for it.
  void refuse_next(Bytes code);
  // The open transaction has been rolled back by a time limit, behind the client's back. `at_rest`: no portal
  // has been opened since.
  void fail_block(bool at_rest);
  bool in_query() const { return query_.has_value(); }
  bool skipping() const { return skipping_; }
  // What servers go back to by RESET; and a BEGIN is answered without a server.
  void behind_proxy(const ToySettings& server) {
    state_.behind_proxy(server);
    proxied_ = true;
  }
  // A transaction was refused before any server knew of it.
  bool refused_early() const { return refused_early_ && block_ == Block::failed && !skipping_ && !query_; }
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
  const ToyState& state() const { return state_; }
  ToySettings take_restored() { return state_.take_restored(); }
  // A message has come that leaves, or by its text may leave, state in the session.
  bool take_touched() { return std::exchange(touched_, false); }
  struct Notify {
    std::string channel, payload;
  };
  // What was sent by transactions that have been committed since the last call.
  std::vector<Notify> take_notifies() { return std::exchange(notifies_, {}); }
  // As far as it is committed.
  const std::set<std::string>& channels() const { return channels_; }
  // Named ones.
  int prepared_statements() const;
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
    std::size_t parameters() const {
      return text.find("$2") != std::string::npos ? 2 : text.find("$1") != std::string::npos ? 1 : 0;
    }
    bool wants_owner() const { return !owner.known() && parameters() == 1; }
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
  void note_what_it_leaves(const Message& message);
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
  void run_reset(const Statement& statement);
  void run_select(const Running& running);
  void run_table(const Statement& statement);
  void run_deallocate(const Statement& statement);
  void run_discard(const Statement& statement);
  bool run_notification_word(const Statement& statement);
  bool run_transaction_word(const Statement& statement);
  void describe_rows(const Statement& statement);
  bool set_value(const std::string& name, const std::string& value, bool local);
  void raise_missing(const std::string& name, Bytes asked_by);

  void need_transaction();
  void note_owner(Owner owner, const Statement* statement);
  void end_transaction(bool commit);
  void raise(Bytes code, Bytes message, Bytes routine = {});
  void notice(Bytes code, Bytes message);
  void ready();
  void emit(char type, std::string body = {}) { output_.push_back({type, std::move(body)}); }
  void complete(Bytes tag);
  bool refused_in_failed_block(const Statement& statement);

  std::string pid_;
  ToyState state_;
  ToySettings reported_;
  std::deque<Message> input_;
  std::vector<Message> output_;
  std::string complaint_;

  Block block_ = Block::none;
  bool open_ = false;  // a transaction is open, with or without a block
  int transaction_ = 0;
  Owner transaction_owner_;
  bool transaction_unmarked_ = false;  // a statement without an owner has run in it
  bool refused_early_ = false;
  bool late_begin_ = false;  // behind a proxy: BEGIN is all that the transaction has seen so far
  bool proxied_ = false, touched_ = false;
  bool skipping_ = false;
  bool extended_ = false;  // the message being run belongs to the extended protocol
  bool flush_ = false, terminated_ = false, copy_canceled_ = false, unclear_ = false;
  std::vector<Notify> open_notifies_, notifies_;
  std::set<std::string> channels_;
  std::optional<Query> query_;
  std::optional<Copy> copy_;
  Running running_;
  Duration sleep_{};
  std::map<std::string, Statement> statements_;
  std::map<std::string, Portal> portals_;
};

}  // namespace pgweir::sim
