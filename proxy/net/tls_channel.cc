#include "proxy/net/tls_channel.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>

namespace pgweir {

namespace {

std::string openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* const reason = ERR_reason_error_string(code);
  return reason == nullptr ? "error " + std::to_string(code) : reason;
}

// RFC 5929, 4.1: the hash of the certificate's own signature, but nothing weaker than SHA-256.
std::string end_point(X509* certificate) {
  int digest = NID_undef;
  if (certificate == nullptr || X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr) == 0)
    return {};
  const EVP_MD* hash = digest == NID_md5 || digest == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(digest);
  if (hash == nullptr) return {};
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  if (X509_digest(certificate, hash, bytes.data(), &size) != 1) return {};
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

}  // namespace

BIO_METHOD* TlsChannel::bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pgweir");
    BIO_meth_set_read_ex(made, [](BIO* bio, char* data, std::size_t size, std::size_t* read) {
      auto& self = *static_cast<TlsChannel*>(BIO_get_data(bio));
      BIO_clear_retry_flags(bio);
      if (self.input_.empty()) {
        BIO_set_retry_read(bio);
        return 0;
      }
      *read = self.input_.copy(data, size);
      self.input_.remove_prefix(*read);
      return 1;
    });
    BIO_meth_set_write_ex(made, [](BIO* bio, const char* data, std::size_t size, std::size_t* written) {
      static_cast<TlsChannel*>(BIO_get_data(bio))->out_->append(data, size);
      *written = size;
      return 1;
    });
    BIO_meth_set_ctrl(made, [](BIO*, int command, long, void*) -> long { return command == BIO_CTRL_FLUSH; });
    return made;
  }();
  return method;
}

TlsChannel::TlsChannel(SslPtr ssl) : ssl_(std::move(ssl)) {
  BIO* const bio = BIO_new(bio_method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
}

void TlsChannel::fail(int result) {
  const int kind = SSL_get_error(ssl_.get(), result);
  if (kind == SSL_ERROR_WANT_READ) return;
  if (kind == SSL_ERROR_ZERO_RETURN) {
    state_ = State::ended;
    return;
  }
  state_ = State::failed;
  error_ = openssl_error();
  const long verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK) error_ += std::string(" (") + X509_verify_cert_error_string(verified) + ")";
}

void TlsChannel::handshake(std::string& out) {
  if (state_ != State::handshake) return;
  out_ = &out;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    state_ = State::open;
  } else {
    fail(result);
    if (state_ == State::ended) state_ = State::failed;
  }
}

std::size_t TlsChannel::read(std::span<char> space, std::string& out) {
  std::size_t total = 0;
  out_ = &out;
  ERR_clear_error();
  while (state_ == State::open && total < space.size()) {
    std::size_t size = 0;
    const int result = SSL_read_ex(ssl_.get(), space.data() + total, space.size() - total, &size);
    if (result != 1) {
      fail(result);
      break;
    }
    total += size;
  }
  return total;
}

void TlsChannel::write(Bytes plain, std::string& out) {
  if (state_ != State::open) return;
  out_ = &out;
  ERR_clear_error();
  std::size_t written = 0;
  const int result = SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written);
  if (result != 1) fail(result);
}

void TlsChannel::end(std::string& out) {
  if (state_ != State::open) return;
  out_ = &out;
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
  state_ = State::ended;
}

TlsInfo TlsChannel::info() const {
  TlsInfo result;
  result.description = std::string(SSL_get_version(ssl_.get())) + "/" + SSL_get_cipher_name(ssl_.get());
  // The group that both sides use; its name as OpenSSL writes it.
  const int group = static_cast<int>(SSL_get_negotiated_group(ssl_.get()));
  const char* const name = group == NID_undef ? nullptr : OBJ_nid2sn(group & 0xffff);
  if (name != nullptr) result.description += std::string("/ECDH=") + name;
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  result.alpn = size != 0;
  const bool server = SSL_is_server(ssl_.get()) == 1;
  X509* const certificate = server ? SSL_get_certificate(ssl_.get()) : SSL_get0_peer_certificate(ssl_.get());
  result.binding = end_point(certificate);
  return result;
}

}  // namespace pgweir
