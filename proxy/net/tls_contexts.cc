#include "proxy/net/tls_contexts.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstring>

#include "admin/tls_versions.h"
#include "protocol/digest.h"

namespace pgweir {

namespace {

// The protocol's name in ALPN; a client that begins with TLS at once has to offer it.
constexpr Bytes alpn = "\x0apostgresql";

tl::unexpected<std::string> refused(Bytes prefix, Bytes name, const std::string& why) {
  // The first one says which call of the system failed; what follows only that one did.
  const unsigned long first = ERR_peek_error();
  const char* const reason = ERR_SYSTEM_ERROR(first) ? std::strerror(static_cast<int>(ERR_GET_REASON(first)))
                                                     : ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return tl::unexpected(std::string(prefix) + "." + std::string(name) + ": " + why +
                        (reason == nullptr ? "" : std::string(": ") + reason));
}

int version_number(TlsVersion version) {
  switch (version) {
    case TlsVersion::tls_1_0:
      return TLS1_VERSION;
    case TlsVersion::tls_1_1:
      return TLS1_1_VERSION;
    case TlsVersion::tls_1_2:
      return TLS1_2_VERSION;
    case TlsVersion::tls_1_3:
      return TLS1_3_VERSION;
  }
  return 0;
}

// No passphrase is asked for on a terminal that a service does not have.
int no_passphrase(char*, int, int, void*) { return -1; }

}  // namespace

tl::expected<TlsContexts::Context, std::string> TlsContexts::common(const TlsSettings& side, Bytes prefix,
                                                                    const SSL_METHOD* method) {
  Context context(SSL_CTX_new(method));
  SSL_CTX* const ctx = context.get();
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  const auto versions = tls_versions(side.protocols);
  if (!versions) return refused(prefix, "protocols", versions.error());
  SSL_CTX_set_min_proto_version(ctx, version_number(versions->least));
  SSL_CTX_set_max_proto_version(ctx, version_number(versions->most));
  if (side.ciphers != "default" && SSL_CTX_set_cipher_list(ctx, side.ciphers.c_str()) != 1)
    return refused(prefix, "ciphers", "OpenSSL knows no such cipher");
  if (!side.tls13_ciphers.empty() && SSL_CTX_set_ciphersuites(ctx, side.tls13_ciphers.c_str()) != 1)
    return refused(prefix, "tls13_ciphers", "OpenSSL knows no such cipher suite");
  if (!side.cert_file.empty() && SSL_CTX_use_certificate_chain_file(ctx, side.cert_file.c_str()) != 1)
    return refused(prefix, "cert_file", "cannot use " + side.cert_file);
  if (!side.key_file.empty() &&
      SSL_CTX_use_PrivateKey_file(ctx, side.key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return refused(prefix, "key_file", "cannot use " + side.key_file);
  if (!side.key_file.empty() && SSL_CTX_check_private_key(ctx) != 1)
    return refused(prefix, "key_file", side.key_file + " does not belong to " + side.cert_file);
  if (side.ca_file == "system") {
    SSL_CTX_set_default_verify_paths(ctx);
  } else if (!side.ca_file.empty() && SSL_CTX_load_verify_file(ctx, side.ca_file.c_str()) != 1) {
    return refused(prefix, "ca_file", "cannot use " + side.ca_file);
  }
  return context;
}

tl::expected<TlsContexts::Context, std::string> TlsContexts::of_clients(const TlsSettings& side,
                                                                        Bytes secret) {
  auto made = common(side, "client_tls", TLS_server_method());
  if (!made) return made;
  SSL_CTX* const ctx = made->get();
  SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
  if (side.ecdhcurve != "auto" && SSL_CTX_set1_groups_list(ctx, side.ecdhcurve.c_str()) != 1)
    return refused("client_tls", "ecdhcurve", "OpenSSL knows no such curve");
  if (side.mode == TlsMode::verify_ca || side.mode == TlsMode::verify_full) {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    if (STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(side.ca_file.c_str()))
      SSL_CTX_set_client_CA_list(ctx, names);
  }
  constexpr Bytes context_id = "pgweir";
  SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const unsigned char*>(context_id.data()),
                                 context_id.size());
  // A name of 16 bytes and two keys of 32.
  std::array<unsigned char, 80> tickets{};
  std::size_t filled = 0;
  for (char round = '1'; filled < tickets.size(); ++round) {
    for (const auto byte : hmac_sha256(secret, std::string("tls tickets ") + round)) {
      if (filled < tickets.size()) tickets[filled++] = static_cast<unsigned char>(byte);
    }
  }
  SSL_CTX_set_tlsext_ticket_keys(ctx, tickets.data(), tickets.size());
  // One ticket for each login is enough; each costs bytes and time.
  SSL_CTX_set_num_tickets(ctx, 1);
  SSL_CTX_set_alpn_select_cb(
      ctx,
      [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered, unsigned length,
         void*) {
        unsigned char* chosen = nullptr;
        if (SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(alpn.data()),
                                  alpn.size(), offered, length) != OPENSSL_NPN_NEGOTIATED)
          return SSL_TLSEXT_ERR_ALERT_FATAL;
        *out = chosen;
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
  return made;
}

tl::expected<TlsContexts::Context, std::string> TlsContexts::of_servers(const TlsSettings& side) {
  auto made = common(side, "server_tls", TLS_client_method());
  if (made) {
    SSL_CTX_set_alpn_protos(made->get(), reinterpret_cast<const unsigned char*>(alpn.data()), alpn.size());
  }
  return made;
}

tl::expected<std::shared_ptr<const TlsContexts>, std::string> TlsContexts::make(const Settings& settings,
                                                                                Bytes secret) {
  std::shared_ptr<TlsContexts> result(new TlsContexts);
  if (settings.client_tls.mode != TlsMode::disable) {
    auto clients = of_clients(settings.client_tls, secret);
    if (!clients) return tl::unexpected(clients.error());
    result->clients_ = std::move(*clients);
  }
  auto servers = of_servers(settings.server_tls);
  if (!servers) return tl::unexpected(servers.error());
  result->servers_ = std::move(*servers);
  return result;
}

tl::expected<std::unique_ptr<TlsChannel>, std::string> TlsContexts::start(const TlsStart& start) const {
  SSL_CTX* const context = start.server ? clients_.get() : servers_.get();
  if (context == nullptr) return tl::unexpected(std::string("TLS is not configured"));
  SslPtr ssl(SSL_new(context));
  if (start.server) {
    SSL_set_accept_state(ssl.get());
    return std::make_unique<TlsChannel>(std::move(ssl));
  }
  SSL_set_connect_state(ssl.get());
  in6_addr address{};
  const bool literal = inet_pton(AF_INET, start.server_name.c_str(), &address) == 1 ||
                       inet_pton(AF_INET6, start.server_name.c_str(), &address) == 1;
  if (!literal) SSL_set_tlsext_host_name(ssl.get(), start.server_name.c_str());
  if (start.mode == TlsMode::verify_ca || start.mode == TlsMode::verify_full)
    SSL_set_verify(ssl.get(), SSL_VERIFY_PEER, nullptr);
  if (start.mode == TlsMode::verify_full) {
    X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl.get());
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const bool set = literal ? X509_VERIFY_PARAM_set1_ip_asc(wanted, start.server_name.c_str()) == 1
                             : SSL_set1_host(ssl.get(), start.server_name.c_str()) == 1;
    if (!set) return tl::unexpected("no certificate can be for " + start.server_name);
  }
  return std::make_unique<TlsChannel>(std::move(ssl));
}

}  // namespace pgweir
