#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <sys/resource.h>

#include "tests/integration/servers.h"

int main(int argc, char** argv) {
  // Thousands of connections are made, by this process and by pgweir.
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  doctest::Context context(argc, argv);
  const int status = context.run();
  pgweir::stop_shared_postgres();
  return status != 0 ? status : pgweir::PgweirProcess::bad_ends() > 0;
}
