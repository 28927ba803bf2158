#pragma once
// Messages to send and the answers that must come, each as a line of text:
//
//   1 2 3      ParseComplete, BindComplete, CloseComplete
//   D:a|b      DataRow; ~ is NULL
//   C:tag      CommandComplete
//   E:code:message, G, H, d:data, c, Z:I and so on
//
// Descriptions, notices and ParameterStatus are not looked at.

#include <string>
#include <vector>

#include "tests/support/wire_client.h"

namespace pgweir {

class Dialogue {
 public:
  // ---- what is sent ----
  void query(const std::string& sql);
  void parse(const std::string& name, const std::string& sql);
  void bind(const std::string& name, const std::vector<std::string>& values);
  void execute();
  void describe(const std::string& name);
  void close(const std::string& name);
  void sync();
  void copy_data(const std::string& data);
  void copy_done();

  // ---- what must come ----
  void answer(std::string line) { answers_.push_back(std::move(line)); }

  const std::string& bytes() const { return bytes_; }
  const std::vector<std::string>& answers() const { return answers_; }

 private:
  std::string bytes_;
  std::vector<std::string> answers_;
};

// Empty for a message that is not looked at.
std::string line_of(const WireMessage& message);

}  // namespace pgweir
