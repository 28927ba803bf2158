#include "tests/support/generated.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

std::string committed(const std::string& path, const std::string& text) {
  const std::string file = std::string(PGWEIR_SOURCE_DIR) + "/" + path;
  if (std::getenv("PGWEIR_GENERATE") != nullptr) std::ofstream(file) << text;
  std::ostringstream read;
  read << std::ifstream(file).rdbuf();
  return read.str();
}
