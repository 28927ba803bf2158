#pragma once
// Certificates for tests of TLS: an authority, and what it issues. All as PEM.

#include <memory>
#include <string>
#include <vector>

namespace pgweir {

struct Certificate {
  std::string certificate, key;
};

struct CertificateWish {
  std::string common_name;
  std::vector<std::string> names{};  // subjectAltName: "DNS:localhost", "IP:127.0.0.1"
  int from_days = -1, to_days = 2;   // from now
};

class Authority {
 public:
  explicit Authority(const std::string& name);
  ~Authority();

  const std::string& certificate() const;
  Certificate issue(const CertificateWish& wish) const;

 private:
  struct Keys;
  std::unique_ptr<Keys> keys_;
};

}  // namespace pgweir
