#include "proxy/net/state_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/support/temp_dir.h"

using namespace pgweir;
using namespace std::chrono_literals;

namespace {

constexpr Duration wall_offset = 20'000 * 24h;

struct Quiet {
  int fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  LogSettings settings;
  Log log{settings, fd};
  ~Quiet() { ::close(fd); }
};

MinuteEntry minute(int n, const std::string& database = "shop") {
  auto window = std::make_shared<MinuteWindow>();
  window->start = Instant(n * 1min);
  window->duration = 1min;
  window->completions = 10;
  window->held.add_time(3, 1min);
  return {{database, "alice"}, window};
}

std::size_t minutes_in(const std::string& path) {
  const auto read = load_state(path, wall_offset);
  REQUIRE(read);
  const auto found = read->state.pools().find({"shop", "alice"});
  return found == read->state.pools().end() ? 0 : found->second.history.minutes().size();
}

}  // namespace

TEST_CASE("state file: what is written is there for the next one, without what is torn") {
  const TempDir dir;
  const std::string path = dir / "state";
  Quiet quiet;
  {
    const auto file = StateFile::open(path, wall_offset, quiet.log);
    REQUIRE(file);
    for (int n = 0; n < 5; ++n) file->write(minute(n));
    file->settle();
    // Before the end: a process that is killed now has lost nothing.
    CHECK(minutes_in(path) == 5);
    CHECK(StateFile::open(path, wall_offset, quiet.log) == nullptr);
  }
  const std::string whole = read_file(path);
  write_file(path, whole + "torn");
  {
    const auto file = StateFile::open(path, wall_offset, quiet.log);
    REQUIRE(file);
    CHECK(file->take_state().pools().size() == 1);
    CHECK(read_file(path) == whole);
    file->write(minute(5));
  }
  CHECK(minutes_in(path) == 6);
}

TEST_CASE("state file: what is not ours stays as it is") {
  const TempDir dir;
  Quiet quiet;
  write_file(dir / "other", "[pool]\n");
  CHECK(StateFile::open(dir / "other", wall_offset, quiet.log) == nullptr);
  CHECK(read_file(dir / "other") == "[pool]\n");
  std::string newer = state_header();
  newer.back() = 99;
  write_file(dir / "newer", newer);
  CHECK(StateFile::open(dir / "newer", wall_offset, quiet.log) == nullptr);
  CHECK(read_file(dir / "newer") == newer);
  CHECK(StateFile::open(dir / "missing/state", wall_offset, quiet.log) == nullptr);
  CHECK_FALSE(load_state(dir / "nothing", wall_offset));
}

TEST_CASE("state file: it is written anew when most of it has expired, and goes on") {
  const TempDir dir;
  const std::string path = dir / "state";
  Quiet quiet;
  {
    const auto file = StateFile::open(path, wall_offset, quiet.log, {.most = 1 << 20, .slack = 1000});
    REQUIRE(file);
    std::size_t longest = 0;
    for (int n = 0; n < 2000; ++n) {
      file->write(minute(n));
      if (n % 10 != 0) continue;
      file->settle();
      longest = std::max(longest, read_file(path).size());
    }
    file->settle();
    // 180 minutes of some 70 bytes, twice, the slack, and ten more.
    CHECK(longest < 50'000);
    CHECK(minutes_in(path) == 180);
    file->write(minute(2000));
  }
  CHECK(minutes_in(path) == 180);
  CHECK(load_state(path, wall_offset)->state.pools().at({"shop", "alice"}).history.latest() ==
        Instant(2000min));
  CHECK_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_CASE("state file: beyond its limit the pools that nobody uses go") {
  const TempDir dir;
  const std::string path = dir / "state";
  Quiet quiet;
  {
    const auto file = StateFile::open(path, wall_offset, quiet.log, {.most = 4000, .slack = 100});
    REQUIRE(file);
    for (int n = 0; n < 150; ++n) file->write(minute(n, "db" + std::to_string(n)));
    file->write(minute(200));
    file->settle();
    for (int n = 0; n < 50; ++n) {
      file->write(minute(200));
      file->settle();
    }
  }
  CHECK(read_file(path).size() < 2 * 4000 + 300);
  CHECK(minutes_in(path) == 1);
}
