#include "protocol/ledger.h"

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/sim/seeded_random.h"

using namespace pgweir;

namespace {

using Action = ReplyVerdict::Action;

const char* name(Action action) {
  switch (action) {
    case Action::forward:
      return "forward";
    case Action::swallow:
      return "swallow";
    case Action::violation:
      return "violation";
  }
  return "?";
}

bool holds(const Ledger& ledger, const std::string& what) {
  if (what.starts_with("owed:")) return ledger.size() == std::stoul(what.substr(5));
  const std::map<std::string, bool> facts{
      {"settled", ledger.settled()},
      {"unsettled", !ledger.settled()},
      {"empty", ledger.empty()},
      {"skipping", ledger.skipping()},
      {"not-skipping", !ledger.skipping()},
      {"uncertain", ledger.uncertain()},
      {"certain", !ledger.uncertain()},
      {"needs-sync", ledger.needs_sync()},
      {"no-sync", !ledger.needs_sync()},
      {"own", ledger.front_is_own()},
      {"not-own", !ledger.front_is_own()},
      {"copy-none", ledger.copy() == CopyMode::none},
      {"copy-in", ledger.copy() == CopyMode::in},
      {"copy-out", ledger.copy() == CopyMode::out},
      {"copy-both", ledger.copy() == CopyMode::both},
  };
  REQUIRE_MESSAGE(facts.contains(what), what);
  return facts.at(what);
}

// Plays a dialogue. Words, each with a message's type letter:
//   >Q  sent for the client          >>Q  sent by the proxy for itself     >>!P  on behalf of the client
//   >:P not sent, to be supplied     :1 :3 a ParseComplete or CloseComplete is to be supplied now, :- nothing
//   is <C  is forwarded    ~C  is swallowed    !C  is a violation with + the message completes the front
//   request, with * it is a ReadyForQuery that ends a request =x  the ledger is in state x (see above);
//   =own-later: the client has left
void play(Ledger& ledger, const std::string& dialogue) {
  std::istringstream words(dialogue);
  std::string so_far;
  for (std::string word; words >> word;) {
    so_far += " " + word;
    CAPTURE(so_far);
    if (word.starts_with(">>!")) {
      ledger.sent(word[3], Reply::swallow_unless_error);
    } else if (word.starts_with(">>")) {
      ledger.sent(word[2], Reply::swallow);
    } else if (word.starts_with(">:")) {
      ledger.sent(word[2], Reply::supply);
    } else if (word[0] == ':') {
      const auto request = ledger.take_supply();
      CHECK(request.has_value() == (word[1] != '-'));
      if (request) CHECK(*request == (word[1] == '1' ? Request::parse : Request::close));
    } else if (word[0] == '>') {
      ledger.sent(word[1]);
    } else if (word == "=own-later") {
      ledger.swallow_all();
    } else if (word[0] == '=') {
      CHECK(holds(ledger, word.substr(1)));
    } else {
      const ReplyVerdict verdict = ledger.received(word[1]);
      const Action action = word[0] == '<'   ? Action::forward
                            : word[0] == '~' ? Action::swallow
                                             : Action::violation;
      CHECK(std::string(name(verdict.action)) == name(action));
      const bool ready = word.ends_with('*');
      CHECK(verdict.ready == ready);
      if (!ledger.uncertain()) CHECK(verdict.completed == (ready || word.ends_with('+')));
    }
  }
}

struct Dialogue {
  const char* what;
  const char* words;
};

void play_all(std::initializer_list<Dialogue> dialogues) {
  for (const Dialogue& row : dialogues) {
    CAPTURE(row.what);
    const auto& [what, words] = row;
    Ledger ledger;
    play(ledger, words);
  }
}

}  // namespace

TEST_CASE("ledger: a new one is settled and owes nothing") {
  Ledger ledger;
  play(ledger, "=settled =empty =owed:0 =not-skipping =certain =no-sync =not-own =copy-none");
}

TEST_CASE("ledger: simple protocol") {
  play_all({
      {"one statement", ">Q =unsettled =owed:1 =no-sync <T <D <D <C =unsettled <Z* =settled"},
      {"without rows", ">Q <C <Z* =settled"},
      {"several statements", ">Q <T <D <C <C <T <C <Z* =settled"},
      {"empty query", ">Q <I <Z* =settled"},
      {"an empty statement among others", ">Q <C <I <C <Z* =settled"},
      {"an error", ">Q <E =unsettled =not-skipping <Z* =settled"},
      {"an error after a statement", ">Q <T <D <C <E <Z* =settled"},
      {"an error between rows", ">Q <T <D <E <Z* =settled"},
      {"pipelined", ">Q >Q >Q =owed:3 <C <Z* =owed:2 <E <Z* =owed:1 =unsettled <T <D <C <Z* =settled"},
      {"function call", ">F =owed:1 =no-sync <V <Z* =settled"},
      {"function call that fails", ">F >Q <E =owed:2 <Z* =owed:1 <C <Z* =settled"},
      {"Terminate is not answered", ">X =settled"},
  });
}

TEST_CASE("ledger: extended protocol") {
  play_all({
      {"the usual batch", ">P >B >D >E >S =owed:5 <1+ <2+ <T+ <D <D <C+ <Z* =settled"},
      {"no rows", ">P >B >D >E >S <1+ <2+ <n+ <C+ <Z* =settled"},
      {"Describe of a statement with rows", ">P >D >S <1+ <t <T+ <Z* =settled"},
      {"Describe of a statement without", ">P >D >S <1+ <t <n+ <Z* =settled"},
      {"empty query", ">P >B >E >S <1+ <2+ <I+ <Z* =settled"},
      {"portal suspended and resumed", ">B >E >E >S <2+ <D <s+ <D <D <C+ <Z* =settled"},
      {"portal suspended, no rows yet", ">B >E >S <2+ <s+ <Z* =settled"},
      {"Close", ">C >S <3+ <Z* =settled"},
      {"Sync alone", ">S =no-sync <Z* =settled"},
      {"Flush is not answered",
       ">P >H =owed:1 =needs-sync <1+ =empty =unsettled >H =unsettled >S <Z* =settled"},
      {"several Syncs in flight",
       ">P >B >E >S >B >E >S >S <1+ <2+ <C+ <Z* =owed:4 <2+ <C+ <Z* =owed:1 <Z* =settled"},
      {"mixed with Query and FunctionCall", ">P >S >Q >F >B >S <1+ <Z* <C <Z* <V <Z* <2+ <Z* =settled"},
      {"Query in a batch", ">P >Q >S <1+ <C <Z* <Z* =settled"},
      {"a batch stays open until its Sync, though all of it is answered",
       ">P <1+ >B <2+ >E <C+ =empty =unsettled =needs-sync >S =no-sync <Z* =settled"},
  });
}

TEST_CASE("ledger: an error in the extended protocol skips to the next Sync") {
  play_all({
      {"in Parse", ">P >B >D >E >S <E =owed:1 =not-skipping <Z* =settled"},
      {"in Bind", ">P >B >D >E >S <1+ <E =owed:1 <Z* =settled"},
      {"in Describe", ">P >B >D >E >S <1+ <2+ <E =owed:1 <Z* =settled"},
      {"in Describe, after the parameters", ">P >D >S <1+ <t <E =owed:1 <Z* =settled"},
      {"in Execute", ">P >B >D >E >S <1+ <2+ <T+ <E =owed:1 <Z* =settled"},
      {"in Execute, after rows", ">P >B >E >S <1+ <2+ <D <D <E =owed:1 <Z* =settled"},
      {"in Close", ">C >P >S <E =owed:1 <Z* =settled"},
      {"at Sync: a deferred constraint", ">P >B >E >S <1+ <2+ <C+ <E =owed:1 =not-skipping <Z* =settled"},
      {"at Sync, the next batch is not skipped", ">E >S >E >S <C+ <E <Z* =owed:2 <C+ <Z* =settled"},
      {"only to the next Sync", ">P >B >S >P >B >S <E <Z* =owed:3 <1+ <2+ <Z* =settled"},
      {"in two batches", ">P >B >S >P >B >S <E <Z* <1+ <E <Z* =settled"},
      {"a Query in the skipped part", ">P >Q >F >C >S >Q <E =owed:2 <Z* <C <Z* =settled"},
      {"before Sync is sent",
       ">P >B <E =skipping =owed:0 =unsettled =needs-sync >S =not-skipping <Z* =settled"},
      {"what is sent while skipping is not owed",
       ">P <E =skipping >B >D >E >C >Q >F >H >d >c >f =owed:0 =skipping !1"},
      {"and ends with Sync", ">P <E >B >Q >c >S =owed:1 =not-skipping >Q =owed:2 <Z* <C <Z* =settled"},
      {"Flush does not end it", ">P >H <E =skipping >H =skipping >S <Z* =settled"},
      {"a second error while skipping", ">P <E =skipping <E =skipping"},
  });
}

TEST_CASE("ledger: COPY to the client") {
  play_all({
      {"simple", ">Q <H =copy-out <d <d <c =copy-none <C <Z* =settled"},
      {"simple, nothing to copy", ">Q <H <c <C <Z* =settled"},
      {"simple, several", ">Q <H <d <c <C <C <H <d <c <C <Z* =settled"},
      {"simple, fails", ">Q <H <d <E =copy-none <Z* =settled"},
      {"extended", ">P >B >E >S <1+ <2+ <H =copy-out <d <c =copy-none <C+ <Z* =settled"},
      {"extended, fails", ">B >E >E >S <2+ <H <d <E =copy-none =owed:1 <Z* =settled"},
      {"extended, the Sync is sent meanwhile", ">E <H <d >S =owed:2 <d <c <C+ <Z* =settled"},
      {"not settled in the middle", ">Q <H =unsettled !Z"},
  });
}

TEST_CASE("ledger: COPY from the client, simple protocol") {
  play_all({
      {"in steps", ">Q <G =copy-in =unsettled >d >d >c =owed:2 <C =copy-none =owed:2 <Z* =owed:0 =settled"},
      {"all at once", ">Q >d >c <G <C <Z* =settled"},
      {"and the next Query behind", ">Q >d >c >Q <G <C <Z* =owed:1 <T <D <C <Z* =settled"},
      {"CopyFail", ">Q <G >d >f <E =copy-none <Z* =settled"},
      {"CopyFail at once", ">Q >f <G <E <Z* =settled"},
      {"bad data", ">Q <G >d <E =copy-none =certain <Z* =settled >d >d >c =settled"},
      {"bad data, all sent at once", ">Q >d >c >Q <G <E <Z* =owed:1 <C <Z* =settled"},
      {"bad data, CopyDone crosses the error", ">Q <G >d >c <E <Z* =settled"},
      {"two in one Query", ">Q <G >d >c <C =owed:2 <G =copy-in >d >c <C <Z* =settled"},
      {"two in one Query, at once", ">Q >d >c >d >c <G <C =owed:3 <G <C <Z* =settled"},
      {"two in one Query, the first fails", ">Q >d >c >d >c >Q <G <E <Z* =owed:1 <C <Z* =settled"},
      {"does not start, its data is ignored", ">Q >d >c >Q <E <Z* =owed:1 <C <Z* =settled"},
      {"then a batch", ">Q >d >c >P >S <G <C <Z* <1+ <Z* =settled"},
  });
}

TEST_CASE("ledger: COPY from the client, extended protocol") {
  play_all({
      {"Sync behind the data",
       ">P >B >E >H <1+ <2+ <G =copy-in =needs-sync >d >c =needs-sync >S =no-sync <C+ <Z* =settled"},
      {"all at once", ">P >B >E >d >c >S <1+ <2+ <G <C+ <Z* =settled"},
      {"CopyFail", ">E <G >f >S <E =owed:1 <Z* =settled"},
      {"CopyFail before Sync is sent", ">E <G >f <E =skipping =owed:0 >S <Z* =settled"},
      {"bad data before CopyDone is sent", ">E <G >d <E =skipping >d >c =owed:0 >S <Z* =settled"},
      {"bad data, all at once", ">E >d >c >E >S >Q <G <E =owed:2 <Z* <C <Z* =settled"},
      {"does not start", ">P >B >E >d >c >S <1+ <2+ <E =owed:1 <Z* =settled"},
      {"two in a batch", ">E >d >c >E >d >c >S <G <C+ =owed:3 <G <C+ <Z* =settled"},
      {"two batches", ">E >d >c >S >E >d >c >S <G <C+ <Z* <G <C+ <Z* =settled"},
      {"a Sync of the batch before is none of it", ">P >S >E >c >S <1+ <Z* <G <C+ <Z* =settled"},
  });
}

TEST_CASE("ledger: a Sync before the end of the copy data is not answered if the COPY succeeds") {
  play_all({
      {"sent before the COPY starts",
       ">E >S <G =needs-sync >d >c >S =no-sync =owed:4 <C+ =owed:1 <Z* =settled"},
      {"sent during the COPY", ">E <G >S =needs-sync >d >S >c >S <C+ =owed:1 <Z* =settled"},
      {"only the early one", ">E >S <G >d >c <C+ =owed:0 =unsettled =needs-sync =certain >S <Z* =settled"},
      {"and another batch behind", ">E >S >d >c >S >P >S <G <C+ <Z* <1+ <Z* =settled"},
      {"in a simple query", ">Q >S <G >d >c <C <Z* =settled"},
      {"for the second COPY of a query", ">Q <G >d >c >S >c >S <C =owed:5 <G =copy-in <C <Z* <Z* =settled"},
      {"COPY that does not start: the Sync is answered", ">E >S >d >c >S <E <Z* <Z* =settled"},
      {"a statement without COPY: as always", ">E >S >d >c >S <C+ <Z* <Z* =settled"},
  });
}

TEST_CASE("ledger: an early Sync in a COPY that fails makes it uncertain, for good") {
  play_all({
      {"sent before the COPY starts", ">E >S <G >d <E =uncertain =unsettled =empty"},
      {"sent during the COPY", ">E <G >S >d >f >S <E =uncertain =unsettled"},
      {"in a simple query", ">Q <G >S >f <E =uncertain"},
      {"everything passes, nothing is judged", ">E >S <G <E =uncertain <Z* <Z* <C <1 <d <? =unsettled"},
      {"nothing is noted any more",
       ">E >S <G <E >Q >P >S >>Q =owed:0 =no-sync =not-own <Z* =unsettled =uncertain"},
      {"an error is forwarded", ">E >S <G <E <E <N <S <A =uncertain"},
      {"a Sync behind the end is no reason", ">E <G >c >S <E =certain =owed:1 <Z* =settled"},
      {"nor is one of the COPY before", ">E >S >c >S >E >c >S <G <C+ <Z* <G <E =certain <Z* =settled"},
  });
}

TEST_CASE("ledger: copy messages outside of COPY are ignored by the server") {
  play_all({
      {"nothing owed", ">d >c >f =empty =settled"},
      {"behind a request", ">Q >d >c >f <C <Z* =empty =settled"},
      {"between requests", ">Q >c >Q >f >P >S <C <Z* <C <Z* <1+ <Z* =settled"},
      {"in a batch", ">P >c >B >E >f >S >c <1+ <2+ <C+ <Z* =empty =settled"},
      {"at the end, not yet answered", ">P >c =needs-sync >S >c =no-sync"},
      {"an earlier one does not end a COPY",
       ">Q >c >Q <C <Z* =owed:1 <G =copy-in >S >c <C =owed:3 <Z* =owed:0 =settled"},
      {"before a Flush", ">P >c >H <1+ =empty =unsettled >S <Z* =settled"},
  });
}

TEST_CASE("ledger: COPY in both directions") {
  play_all({
      {"both end", ">Q <W =copy-both >d <d >d <d >c <c =copy-both <C =copy-none <Z* =settled"},
      {"fails", ">Q <W <d <E =copy-none <Z* =settled"},
      {"not settled in the middle", ">Q <W !Z"},
  });
}

TEST_CASE("ledger: the proxy's own requests are swallowed") {
  play_all({
      {"in front", ">>Q >Q =own ~C ~Z* =not-own <T <D <C <Z* =settled"},
      {"a batch in front", ">>P >>B >>E >>S >P >S =own ~1+ ~2+ ~D ~C+ =own ~Z* =not-own <1+ <Z* =settled"},
      {"between", ">Q >>Q >Q =not-own <C <Z* =own ~C ~Z* =not-own <C <Z* =settled"},
      {"an error in front", ">>Q >Q ~E ~Z* <C <Z* =settled"},
      {"an error in a batch skips to its own Sync", ">>P >>B >>E >>S >P >S ~E =own ~Z* <1+ <Z* =settled"},
      {"own Sync behind a client's batch", ">P >B >>S <1+ <2+ ~Z* =settled"},
      {"own Sync ends the client's error", ">P >B <E =skipping >>S =own ~Z* =settled"},
      {"own CopyFail ends the client's COPY", ">E <G >d >>f >>S <E ~Z* =settled"},
      {"asynchronous messages of its own", ">>Q ~S ~N ~C ~Z* =settled"},
      {"a violation is not swallowed", ">>Q !1"},
  });
}

TEST_CASE("ledger: when the client is gone all that is owed is swallowed, and no more") {
  play_all({{"nothing owed", "=settled"}});
  Ledger ledger;
  play(ledger, ">Q >P >B >S <C =not-own");
  ledger.swallow_all();
  play(ledger, "=own ~Z* ~1+ ~E ~Z* =settled =not-own >Q <C <Z* =settled");

  Ledger copy;
  play(copy, ">E <G >d");
  copy.swallow_all();
  play(copy, "=own =copy-in =needs-sync >>f >>S =no-sync ~E =own ~Z* =settled");

  Ledger skipping;
  play(skipping, ">P <E =skipping");
  skipping.swallow_all();
  play(skipping, "=not-own =needs-sync >>S ~Z* =settled");
}

TEST_CASE("ledger: asynchronous messages come at any time and answer nothing") {
  const char* const dialogues[] = {
      ">Q <T <D <C <Z*",      ">P >B >D >E >S <1+ <2+ <t <T+ <D <s+ <Z*",
      ">Q <H <d <c <C <Z*",   ">E >d >c >S <G <C+ <Z*",
      ">P >B <E >S <Z*",      ">F <V <Z*",
      ">>Q ~C ~Z* >Q <I <Z*",
  };
  for (const char* const dialogue : dialogues) {
    CAPTURE(dialogue);
    for (const char type : {'N', 'S', 'A'}) {
      Ledger ledger;
      std::istringstream words(dialogue);
      for (std::string word; words >> word;) {
        // A notification is the client's, whatever the server does meanwhile.
        play(ledger, std::string(ledger.front_is_own() && type != 'A' ? "~" : "<") + type);
        play(ledger, word);
      }
      play(ledger, std::string("<") + type + " =settled");
    }
  }
}

TEST_CASE("ledger: when nothing is owed only an error may come") {
  for (int type = 0; type < 256; ++type) {
    CAPTURE(type);
    const char letter = static_cast<char>(type);
    const bool allowed = letter == 'E' || letter == 'N' || letter == 'S' || letter == 'A';
    Ledger idle, skipping;
    play(skipping, ">P <E =skipping");
    for (Ledger* const ledger : {&idle, &skipping}) {
      const ReplyVerdict verdict = ledger->received(letter);
      CHECK(verdict.action == (allowed ? Action::forward : Action::violation));
      CHECK_FALSE(verdict.ready);
      CHECK_FALSE(verdict.completed);
      CHECK(ledger->empty());
    }
  }
}

TEST_CASE("ledger: every reply that does not fit the front request is a violation") {
  struct Case {
    const char* before;
    std::string fits;  // beside E and the asynchronous ones
  };
  for (const Case& row : {
           Case{">Q", "ZTDCIGHW"},
           Case{">F", "ZV"},
           Case{">P", "1"},
           Case{">B", "2"},
           Case{">D", "tTn"},
           Case{">E", "DCIsGHW"},
           Case{">C", "3"},
           Case{">S", "Z"},
           // In COPY the rows and their description are let through as well: they end nothing.
           Case{">Q <G", "TD"},  // nor can it succeed before its end was sent
           Case{">Q <G >c", "CTD"},
           Case{">E <G", "D"},
           Case{">E <G >c", "CD"},
           Case{">E >S <G", "D"},
           Case{">Q <H", "dcCTD"},
           Case{">E <H", "dcCD"},
           Case{">Q <W", "dcCTD"},
           Case{">Q <H <c", "ZTDCIGHW"},
       }) {
    CAPTURE(row.before);
    const auto& [before, fits] = row;
    for (int type = 0; type < 256; ++type) {
      CAPTURE(type);
      const char letter = static_cast<char>(type);
      Ledger ledger;
      play(ledger, before);
      const std::size_t owed = ledger.size();
      const ReplyVerdict verdict = ledger.received(letter);
      const bool allowed = (fits + "ENSA").find(letter) != std::string::npos && type != 0;
      CHECK(std::string(name(verdict.action)) == name(allowed ? Action::forward : Action::violation));
      if (allowed) continue;
      CHECK_FALSE(verdict.ready);
      CHECK_FALSE(verdict.completed);
      CHECK(ledger.size() == owed);
    }
  }
}

TEST_CASE("ledger: the verdict names the request that was answered") {
  Ledger ledger;
  for (char type : {'Q', 'F', 'P', 'B', 'D', 'E', 'C', 'S'}) ledger.sent(type);
  struct Case {
    char reply;
    Request request;
    bool completed;
  };
  for (const Case& row :
       {Case{'T', Request::query, false}, Case{'Z', Request::query, true},
        Case{'V', Request::function_call, false}, Case{'Z', Request::function_call, true},
        Case{'1', Request::parse, true}, Case{'2', Request::bind, true}, Case{'t', Request::describe, false},
        Case{'n', Request::describe, true}, Case{'C', Request::execute, true},
        Case{'3', Request::close, true}, Case{'Z', Request::sync, true}}) {
    CAPTURE(row.reply);
    const auto& [reply, request, completed] = row;
    const ReplyVerdict verdict = ledger.received(reply);
    CHECK(verdict.request == request);
    CHECK(verdict.completed == completed);
  }
  CHECK(ledger.settled());
}

TEST_CASE("ledger: needs_sync looks at the last request that has an answer") {
  play_all({
      {"simple requests", ">Q =no-sync >F =no-sync >S =no-sync"},
      {"parse", ">P =needs-sync >S =no-sync"},
      {"bind", ">B =needs-sync >Q =no-sync"},
      {"describe", ">D =needs-sync"},
      {"execute", ">S >E =needs-sync"},
      {"close", ">C =needs-sync"},
      {"answered already", ">P <1+ =needs-sync"},
      {"skipping", ">P <E =needs-sync >Q =needs-sync >S =no-sync"},
  });
}

TEST_CASE("ledger: ten thousand requests in flight keep their order") {
  Ledger ledger;
  const std::string kinds = "QFPBDECS";
  const std::map<char, std::string> answers{{'Q', "CZ"}, {'F', "VZ"}, {'P', "1"}, {'B', "2"},
                                            {'D', "tn"}, {'E', "C"},  {'C', "3"}, {'S', "Z"}};
  sim::SeededRandom random(3);
  // Twice, and with some answered in between, so that the ring is not always used from its start.
  for (int round = 0; round < 2; ++round) {
    std::deque<std::pair<char, bool>> sent;
    const auto answer_one = [&] {
      const auto [type, own] = sent.front();
      sent.pop_front();
      REQUIRE(ledger.front_is_own() == own);
      for (char reply : answers.at(type)) {
        const ReplyVerdict verdict = ledger.received(reply);
        REQUIRE(verdict.action == (own ? Action::swallow : Action::forward));
      }
    };
    for (int i = 0; i < 10'000; ++i) {
      const char type = kinds[random.below(kinds.size())];
      const bool own = random.chance(300);
      ledger.sent(type, own ? Reply::swallow : Reply::forward);
      sent.emplace_back(type, own);
      if (random.chance(200)) answer_one();
      REQUIRE(ledger.size() == sent.size());
    }
    CHECK(ledger.size() > 7'000);
    ledger.sent('S');
    sent.emplace_back('S', false);
    while (!sent.empty()) answer_one();
    CHECK(ledger.settled());
  }
}

// ---- against a model of the server ----

namespace {

struct Sent {
  char type;
  bool own;
  bool fails;  // the server will find an error in it
  bool copies;
};

struct ModelReply {
  char type;
  bool own;
};

// PostgreSQL's main loop and its COPY loop, as far as they decide what is answered.
class ServerModel {
 public:
  explicit ServerModel(sim::SeededRandom& random) : random_(random) {}

  void read(const Sent& message) {
    if (copying_) return read_copy(message);
    if (skipping_ && message.type != 'S') return;
    switch (message.type) {
      case 'Q':
        if (message.fails) {
          if (random_.chance(500)) say("TDC", message);
          return say("EZ", message);
        }
        if (message.copies) return start_copy(message);
        return say(random_.pick({"TDDCZ", "IZ", "CZ", "CTDCZ", "HddcCZ"}), message);
      case 'F':
        return say(message.fails ? "EZ" : "VZ", message);
      case 'S':
        skipping_ = false;
        return say(message.fails ? "EZ" : "Z", message);
      case 'P':
        return extended(message, "1");
      case 'B':
        return extended(message, "2");
      case 'D':
        return extended(message, random_.pick({"n", "T", "tT", "tn"}));
      case 'C':
        return extended(message, "3");
      case 'E':
        if (message.copies && !message.fails) return start_copy(message);
        return extended(message, random_.pick({"DDC", "C", "I", "s", "Ds", "HdcC"}));
      default:
        return;
    }
  }

  bool resting() const { return !copying_ && !skipping_; }

  std::deque<ModelReply> replies;
  bool ignored_sync = false;  // a Sync fell into copy data
  bool failed_in_copy = false;

 private:
  void say(const char* types, const Sent& message) {
    for (; *types != 0; ++types) replies.push_back({*types, message.own});
  }
  void extended(const Sent& message, const char* types) {
    if (!message.fails) return say(types, message);
    skipping_ = true;
    say("E", message);
  }
  void start_copy(const Sent& message) {
    copying_ = true;
    copy_ = message;
    say("G", message);
  }
  void read_copy(const Sent& message) {
    if (message.type == 'S') ignored_sync = true;
    if (message.type == 'c' && !message.fails) {
      copying_ = false;
      return say(copy_.type == 'Q' ? "CZ" : "C", copy_);
    }
    const bool data = message.type == 'd' || message.type == 'c';
    if (message.type == 'f' || (data && message.fails)) {
      copying_ = false;
      failed_in_copy = true;
      skipping_ = copy_.type == 'E';
      say(skipping_ ? "E" : "EZ", copy_);
    }
  }

  sim::SeededRandom& random_;
  bool copying_ = false, skipping_ = false;
  Sent copy_{};
};

// What a client sends for a COPY from it, after the statement; whether the statement copies is another thing.
void add_copy_data(std::deque<Sent>& script, sim::SeededRandom& random, bool early_sync) {
  for (std::size_t i = random.below(3); i > 0; --i) script.push_back({'d', false, random.chance(100), false});
  if (early_sync) script.push_back({'S', false, false, false});
  script.push_back({random.chance(200) ? 'f' : 'c', false, random.chance(100), false});
}

std::deque<Sent> make_script(sim::SeededRandom& random, bool early_syncs) {
  std::deque<Sent> script;
  for (char type : std::string(random.pick({"", "Q", "PBES", "QPBEPBES"})))
    script.push_back({type, true, random.chance(100), false});
  for (int unit = random.between(1, 12); unit > 0; --unit) {
    const auto fails = [&] { return random.chance(100); };
    switch (random.below(5)) {
      case 0:
        script.push_back({random.chance(300) ? 'F' : 'Q', false, fails(), false});
        break;
      case 1:
        script.push_back({'Q', false, fails(), true});
        add_copy_data(script, random, early_syncs && random.chance(200));
        break;
      case 2:  // copy messages that nobody asked for
        script.push_back({random.pick({'c', 'd', 'f', 'H'}), false, false, false});
        break;
      default:
        for (int i = random.between(0, 6); i > 0; --i) {
          const char type = random.pick({'P', 'B', 'D', 'E', 'C', 'E', 'Q', 'H'});
          const bool copies = type == 'E' && random.chance(300);
          script.push_back({type, false, fails(), copies});
          if (copies) add_copy_data(script, random, early_syncs && random.chance(200));
        }
        script.push_back({'S', false, random.chance(50), false});
    }
  }
  return script;
}

}  // namespace

TEST_CASE("ledger: supplied replies come at their place in the order") {
  play_all({
      {"at once when nothing is owed", ">:P =owed:1 :1 :- =empty =needs-sync >S <Z* =settled"},
      {"behind what was sent before", ">B :- >:P :- <2+ :1 :- >E <C+ >S <Z* =settled"},
      {"two in a row", ">:P >:C :1 :3 :- >S <Z*"},
      {"between two requests", ">P >:C >B <1+ :3 <2+ :- >S <Z*"},
      {"not behind an error", ">B >:P >E >S <E =owed:1 :- <Z* :- =settled"},
      {"not while the server skips", ">B <E =skipping >:P =empty :- >S <Z* =settled"},
      {"in the next batch", ">B >S >:P >S <E :- <Z* :1 <Z* =settled"},
      {"of a client that has left", ">B >:C =own-later ~2+ :3 :- >>S ~Z* =settled"},
      {"behind the end of copy data", ">E <G >c >:C <C+ :3 :- >S <Z* =settled"},
  });
}

TEST_CASE("ledger: what the proxy asks on behalf of the client fails in the client's name") {
  play_all({
      {"it succeeds", ">>!P >B ~1+ <2+ >S <Z* =settled"},
      {"it fails", ">>!P >B >S <E =owed:1 <Z* =settled"},
      {"notices are nobody's", ">>!P ~N ~1+ >S <Z*"},
      {"the client has left", ">>!P >B =own-later ~E =skipping >>S ~Z* =settled"},
  });
}

TEST_CASE("ledger: numbers of entries tell what is done with") {
  Ledger ledger;
  CHECK(ledger.front_sequence() == 1);
  const std::uint64_t parse = ledger.sent('P'), bind = ledger.sent('B');
  CHECK((parse == 1 && bind == 2));
  CHECK(ledger.sent('d') == 0);
  CHECK(ledger.received('1').sequence == parse);
  CHECK(ledger.front_sequence() == bind);
  const std::uint64_t supplied = ledger.sent('C', Reply::supply);
  CHECK(supplied == 3);
  CHECK(ledger.received('E').sequence == bind);
  CHECK(ledger.sent('P') == 0);  // the server skips it
  CHECK(ledger.front_sequence() == 4);
  const std::uint64_t sync = ledger.sent('S');
  CHECK(sync == 4);
  CHECK(ledger.received('Z').sequence == sync);
  // The end of copy data and what was ignored before it.
  CHECK(ledger.sent('E') == 5);
  CHECK(ledger.received('G').sequence == 5);
  CHECK(ledger.sent('S') == 6);
  CHECK(ledger.sent('c') == 7);
  CHECK(ledger.received('C').completed);
  CHECK(ledger.front_sequence() == 8);
  CHECK(ledger.sent('S') == 8);
}

TEST_CASE("ledger: agrees with a model of the server, however messages and replies interleave") {
  int uncertain = 0, settled = 0, early = 0;
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    CAPTURE(seed);
    sim::SeededRandom random(seed);
    const bool early_syncs = random.chance(300);
    std::deque<Sent> script = make_script(random, early_syncs);
    std::deque<Sent> on_the_way;
    ServerModel server(random);
    Ledger ledger;
    std::string history;
    const unsigned eager = static_cast<unsigned>(random.between(50, 950));
    while (!script.empty() || !on_the_way.empty() || !server.replies.empty()) {
      if (!script.empty() && random.chance(eager)) {
        const Sent message = script.front();
        script.pop_front();
        ledger.sent(message.type, message.own ? Reply::swallow : Reply::forward);
        on_the_way.push_back(message);
        (history += message.own ? " >>" : " >") += message.type;
      } else if (!on_the_way.empty() && random.chance(500)) {
        server.read(on_the_way.front());
        on_the_way.pop_front();
      } else if (!server.replies.empty()) {
        const ModelReply reply = server.replies.front();
        server.replies.pop_front();
        (history += " <") += reply.type;
        CAPTURE(history);
        const ReplyVerdict verdict = ledger.received(reply.type);
        if (ledger.uncertain()) break;
        REQUIRE(std::string(name(verdict.action)) == name(reply.own ? Action::swallow : Action::forward));
        REQUIRE(verdict.ready == (reply.type == 'Z'));
        // The rule that keeps clients apart: nothing is on its way when the server may serve somebody else.
        if (verdict.ready && ledger.settled()) REQUIRE(server.replies.empty());
      }
    }
    CAPTURE(history);
    if (ledger.uncertain()) {
      // A wrong alarm is a Sync too early in a COPY that failed; there is no other reason.
      REQUIRE(early_syncs);
      REQUIRE(server.failed_in_copy);
      ++uncertain;
    } else {
      REQUIRE(server.resting());
      REQUIRE(ledger.settled());
      ++settled;
    }
    early += server.ignored_sync;
  }
  CHECK(uncertain > 50);
  CHECK(settled > 2000);
  CHECK(early > 100);
}
