#include "proxy/session/tls_request.h"

#include "admin/setting.h"
#include "protocol/startup.h"
#include "proxy/session/worker_engine.h"

namespace pgweir {

void TlsRequest::send() {
  Writer message;
  write_ssl_request(message);
  engine_.send_copy(server_, message.view());
}

TlsRequest::Answer TlsRequest::on_bytes(Bytes bytes) {
  if (bytes.starts_with('E')) return Answer::error;
  if (bytes == "S") {
    engine_.start_tls(server_, {.server = false, .received = {}, .mode = mode_, .server_name = name_});
    return Answer::encrypting;
  }
  const bool must = mode_ != TlsMode::allow && mode_ != TlsMode::prefer;
  if (bytes == "N" && !must) return Answer::in_clear;
  if (bytes == "N") {
    why_ = "the server does not encrypt, and server_tls.sslmode is " + std::string(word_of(mode_));
  } else {
    // What comes behind the answer was sent in clear by somebody who may not be the server (CVE-2021-23222).
    why_ = bytes.starts_with('S') ? "the server sent unencrypted data behind its consent to encrypt"
                                  : "the server gave no answer to the request for encryption";
  }
  return Answer::failed;
}

}  // namespace pgweir
