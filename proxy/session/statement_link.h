#pragma once
// The prepared statements of one server, and what becomes of its client's Parse, Bind, Describe and Close.
//
// Clients name statements as they like; on servers a statement has a name of pgweir's ("pgweir_7"), the same
// for every client that uses it. A statement that the server lacks is prepared right before it is used; a
// Parse that the server has had already is answered here. What a client or a server has changes when the
// server confirms it, in the order of the ledger: each change carries the number of its ledger entry.
//
// Owned by its ServerSession.

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "protocol/client_statements.h"
#include "protocol/framer.h"
#include "protocol/frontend.h"
#include "protocol/ledger.h"
#include "protocol/server_statements.h"
#include "protocol/sql_scanner.h"
#include "protocol/statement_shape.h"
#include "proxy/session/pool_entry.h"

namespace pgweir {

class ClientSession;
class ServerSession;
class WorkerEngine;

// PostgreSQL's error about a statement that the client does not have, and asks for by a Bind ('B') or
// Describe ('D').
ErrorText missing_statement(Bytes name, char type);

class StatementLink {
 public:
  StatementLink(WorkerEngine& engine, ServerSession& server);

  // ---- the link ----
  void joined();
  // The client's unnamed statement is on this server alone, which must be kept and not be asked anything.
  bool holds_server() const { return unnamed_only_here_; }
  // The client has nothing on its way any more, or is gone.
  void unlinked();

  // The client is about to change settings: what is parsed from now on is parsed for it alone.
  void watch(const SqlEffects& effects);
  void watch_everything();

  // An own query of pgweir's takes the server's unnamed statement away.
  void unnamed_lost() { unnamed_here_ = false; }
  // A message that is answered by ReadyForQuery has been sent for the client, with this ledger entry.
  void end_sent(std::uint64_t sequence) { last_end_ = sequence; }
  // Such an answer is awaited.
  bool end_awaited() const { return last_end_ >= settled_; }
  // So is the answer to what pgweir itself has asked about the shape of a statement; flush() hurries it up.
  bool shape_awaited() const { return shape_asked_ >= settled_; }
  void flush();
  // What the message at the front of `bytes` means depends on answers that are awaited: it runs even if what
  // it builds on fails, because a Sync or Query is in between. To be asked at the end of each message, with
  // the whole of the next one, at least to the end of its names.
  bool must_wait(const ClientSession& client, Bytes bytes);

  // ---- from the client: a message from its beginning, at least to the end of its names ----
  void parse(ClientSession& client, const Piece& piece);
  void bind(ClientSession& client, const Piece& piece);
  void describe(ClientSession& client, const Piece& piece);
  void close(ClientSession& client, const Piece& piece);
  void execute(ClientSession& client, const Piece& piece);
  // A query string, with what it does; sends it.
  void query(ClientSession& client, const Piece& piece, const SqlEffects& effects);
  // Makes the server refuse, in the client's place in the order; the client is told `error`.
  void provoke(ErrorText error);
  void begin_batch() { used_.clear(); }

  // ---- from the server ----
  // What the client is told instead of the server's error about this entry; null: the server's error.
  const ErrorText* instead(std::uint64_t sequence);
  // What was used since the batch began is not to be trusted: it will be prepared anew. False if nothing was.
  // `outdated`: whoever prepares it from now on gets it anew as well.
  bool forget_used(bool outdated);
  // A whole message that answers the Describe of this entry.
  void described(std::uint64_t sequence, char type, Bytes body);
  void command_completed(Bytes tag, std::uint64_t sequence);
  // Entries before `front` are done with: `completed` was answered, or `failed`, and the others never ran.
  // Numbers are 0 for none.
  struct Settled {
    std::uint64_t front = 0, completed = 0, failed = 0;
  };
  void settle(ClientSession* client, const Settled& settled);

  // For a server that moves to another worker, and there: the one used last comes last.
  std::vector<PackedStatement> pack() const;
  void adopt(const PackedStatement& packed);
  // How many the server has.
  std::size_t size() const { return statements_.size(); }

 private:
  enum class Kind : std::uint8_t {
    prepare,    // the server gets a statement
    drop,       // the server loses one
    of_client,  // the client's names change
    by_tag,     // the same, if a command tag says so
    describe,   // the shape of a statement becomes known
    bind,       // of a statement whose shape may not be what the client was told
    provoke,    // an error
  };
  // Something that becomes true, or does not, with the answer to an entry of the ledger.
  struct Change {
    std::uint64_t sequence;
    Kind kind;
    SharedStatement statement;
    std::uint64_t id = 0;       // of the statement on the server; 0: the unnamed one, or none
    bool done = false;          // by_tag: it has come; describe: the client asked, and is told
    ErrorText error = {};       // provoke, bind
    std::string name = {};      // describe: the client's, of the statement
    StatementShape shape = {};  // describe: what has come; bind: what the client was told
  };
  // The portal that was bound last.
  struct Bound {
    std::string portal, name;
    SharedStatement statement;  // null when it is none that is tracked
    std::uint64_t id = 0;       // 0: the unnamed one
    StatementShape told{};      // what the client knew of the statement
    bool doubted = false;       // whether that is still so must be known before it runs
    bool described = false;     // the client has asked anew what the rows look like
  };

  // What this server said of the shape of a statement; null if it does not have it. Number 0: the unnamed
  // one.
  StatementShape* shape_here(const PreparedStatement& statement, std::uint64_t id);
  void ask_shape(const SharedStatement& statement, std::uint64_t id);
  std::uint64_t send_bind(const BindHead& head, Bytes name, const Piece& piece);
  void await_description(std::uint64_t sequence, Bytes name, const SharedStatement& statement,
                         std::uint64_t id);
  bool is_stale(const PreparedStatement& statement, std::uint64_t id, const StatementShape& told,
                bool described);
  // An Execute of the portal that is in doubt.
  bool runs_doubted(Bytes execute_body) const;
  bool unsettled(const ClientSession& client, Bytes name, bool runs);
  void drop_unnamed(ClientStatements& names, std::uint64_t sequence);
  void deallocate(ClientSession& client, const std::string& name, const SharedStatement& statement);
  std::uint64_t take_for_deallocate(const SharedStatement& statement);
  std::uint64_t parse_unnamed(ClientSession& client, const Piece& piece, const PreparedStatement& statement);
  void parse_untracked(ClientSession& client, const Piece& piece);
  // In which a text is parsed now.
  ParseContext context();
  // The statement, or if this server lacks it and would parse it in another context, that of the same text
  // there.
  SharedStatement as_parsed_here(SharedStatement statement);
  // The number of as_parsed_here(statement) on the server, which has it or is about to; 0 when that cannot be
  // said.
  std::uint64_t ensure(SharedStatement& statement);
  std::uint64_t prepare(const SharedStatement& statement, Reply reply);
  void forget(const PreparedStatement& statement);
  void forget_all();
  void prepare_unnamed(const PreparedStatement& statement);
  void make_room();
  // Whatever a client calls so, it is none of pgweir's statements.
  static bool is_taken(Bytes name);

  WorkerEngine& engine_;
  ServerSession& server_;
  ServerStatements statements_;
  std::deque<Change> changes_;
  // The context of clients with these parameters; `own_context_`: of the present client alone, if not 0.
  SharedParameters context_parameters_, context_settings_;
  ParseContext context_ = 0, own_context_ = 0;
  std::vector<SharedStatement> used_;    // by the present batch
  std::vector<std::uint64_t> leftover_;  // ids that the server still has and nobody uses: to be closed
  std::unordered_map<std::uint64_t, std::uint64_t> preparing_;  // ids on their way: their ledger entries
  std::uint64_t settled_ = 1;                                   // what has a smaller number is
  std::uint64_t last_end_ = 0;
  std::uint64_t unnamed_sent_ = 0;  // the ledger entry of the latest unnamed Parse
  bool unnamed_here_ = false;       // the server's unnamed statement is the present client's
  bool unnamed_only_here_ = false;  // and was not kept
  std::string deallocates_;         // the unnamed statement drops the client's one of this name
  StatementShape unnamed_shape_;    // of the server's unnamed statement, while it is the client's
  Bound bound_;
  std::uint64_t shape_asked_ = 0;  // the ledger entry of pgweir's latest question
  bool flushed_ = false;           // behind that question
  bool clears_ = false;            // the portal that was bound last drops all statements
  SharedStatement unlistens_;      // the portal that was bound last UNLISTENs
};

}  // namespace pgweir
