// What outlives the process: the state file over an end in order, over kill -9, and pgweir profile.

#include <doctest/doctest.h>
#include <signal.h>

#include <optional>
#include <vector>

#include "pool/state_codec.h"
#include "tests/integration/servers.h"
#include "tests/support/eventually.h"
#include "tests/support/free_port.h"

using namespace pgweir;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

PgweirSetup with_state(const std::string& file) {
  PgweirSetup setup(shared_postgres());
  setup.top = "state_file = \"" + file + "\"\n";
  return setup;
}

State state_in(const std::string& file) { return read_state(read_file(file), Duration{}).state; }

std::uint64_t completions(const State& state) {
  std::uint64_t sum = 0;
  for (const auto& [route, pool] : state.pools())
    for (const WindowRef& minute : pool.history.minutes()) sum += minute->completions;
  return sum;
}

void load(const PgweirProcess& pgweir, int transactions) {
  PgConnection client = pgweir.connect();
  for (int i = 0; i < transactions; ++i) client.must("select 1");
}

}  // namespace

TEST_CASE("state_file: what was measured is there after kill -9 in the middle of load, the gap is marked") {
  const TempDir dir;
  const std::string file = dir / "state";
  {
    const PgweirProcess pgweir(with_state(file));
    load(pgweir, 40);
  }
  CHECK(completions(state_in(file)) >= 40);
  const std::size_t before = read_file(file).size();
  {
    const int port = free_port();
    write_file(dir / "pgweir.toml", with_state(file).text(port));
    ChildProcess pgweir({pgweir_binary(), "--config", dir / "pgweir.toml"},
                        {.user = {}, .output_file = dir / "log", .environment = {}, .stop_signal = SIGKILL});
    std::optional<PgConnection> busy;
    CHECK(eventually([&] {
      try {
        busy.emplace(
            PgConnection::open("host=127.0.0.1 user=postgres dbname=postgres port=" + std::to_string(port)));
        return busy->exec("begin; select 1").ok();
      } catch (const std::exception&) {
        return false;  // it does not listen yet
      }
    }));
    // A thread of its own writes that a run has begun.
    CHECK(eventually([&] { return read_file(file).size() > before; }));
    pgweir.stop(SIGKILL);
  }
  // As if the last write had been cut short.
  const std::string killed = read_file(file);
  write_file(file, killed.substr(0, killed.size() - 3));
  {
    const PgweirProcess pgweir(with_state(file));
    load(pgweir, 30);
    CHECK(pgweir.log_contains("are cut off"));
  }
  const State state = state_in(file);
  CHECK(completions(state) >= 70);
  const auto& runs = state.runs().all();
  REQUIRE(runs.size() >= 2);
  CHECK_FALSE(state.runs().covers(runs.front().first, runs.back().second));
}

TEST_CASE("pgweir profile: export, show, advise") {
  const TempDir dir;
  const std::string file = dir / "state", profile = dir / "profile";
  std::string config;
  {
    const PgweirProcess pgweir(with_state(file));
    load(pgweir, 40);
    config = read_file(pgweir.config_file());
  }
  write_file(dir / "pgweir.toml", config);
  const PgweirOutput exported = run_pgweir({"--config", dir / "pgweir.toml", "profile", "export"});
  REQUIRE(exported.status == 0);
  write_file(profile, exported.text);
  CHECK(completions(state_in(profile)) >= 40);

  const PgweirOutput shown = run_pgweir({"profile", "show", profile});
  INFO(shown.text);
  CHECK(shown.status == 0);
  CHECK(contains(shown.text, "Pool postgres/"));
  CHECK(contains(shown.text, "minutes: "));
  const PgweirOutput advised = run_pgweir({"profile", "advise", profile});
  INFO(advised.text);
  CHECK(advised.status == 0);
  CHECK(contains(advised.text, "confidence"));

  CHECK(run_pgweir({"profile", "show", dir / "pgweir.toml"}).status == 2);
  CHECK(run_pgweir({"profile", "show", dir / "nothing"}).status == 2);
  CHECK(run_pgweir({"profile", "show", "--pool", "no/such", profile}).status == 2);
  CHECK(run_pgweir({"profile"}).status == 2);
  CHECK(run_pgweir({"profile", "export"}).status == 2);
  CHECK(contains(run_pgweir({"--help"}).text, "profile"));
}
