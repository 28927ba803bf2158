#include "tests/support/certificates.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <stdexcept>

namespace pgweir {

namespace {

constexpr long day = 24L * 60 * 60;

template <auto release>
struct Release {
  template <class T>
  void operator()(T* it) const {
    release(it);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Release<&EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Release<&X509_free>>;
using BioPtr = std::unique_ptr<BIO, Release<&BIO_free>>;

Key make_key() {
  Key key(EVP_EC_gen("P-256"));
  if (!key) throw std::runtime_error("cannot make a key");
  return key;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string pem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return text_of(bio.get());
}

std::string pem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio.get());
}

void extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Release<&X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1)
    throw std::runtime_error("cannot add to a certificate: " + value);
}

// Not signed yet.
X509Ptr blank(const CertificateWish& wish, EVP_PKEY* key, X509* issuer) {
  static std::atomic<long> serial = 1;
  X509Ptr made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), wish.from_days * day);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), wish.to_days * day);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.common_name.c_str()), -1, -1, 0);
  X509_set_issuer_name(made.get(), X509_get_subject_name(issuer == nullptr ? made.get() : issuer));
  X509_set_pubkey(made.get(), key);
  return made;
}

}  // namespace

struct Authority::Keys {
  Key key;
  X509Ptr certificate;
  std::string text;
};

Authority::Authority(const std::string& name) : keys_(std::make_unique<Keys>()) {
  keys_->key = make_key();
  keys_->certificate = blank({.common_name = name}, keys_->key.get(), nullptr);
  extend(keys_->certificate.get(), keys_->certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(keys_->certificate.get(), keys_->key.get(), EVP_sha256());
  keys_->text = pem(keys_->certificate.get());
}

Authority::~Authority() = default;

const std::string& Authority::certificate() const { return keys_->text; }

Certificate Authority::issue(const CertificateWish& wish) const {
  const Key key = make_key();
  const X509Ptr made = blank(wish, key.get(), keys_->certificate.get());
  std::string names;
  for (const std::string& name : wish.names) names += (names.empty() ? "" : ",") + name;
  if (!names.empty()) extend(made.get(), keys_->certificate.get(), NID_subject_alt_name, names);
  X509_sign(made.get(), keys_->key.get(), EVP_sha256());
  return {pem(made.get()), pem(key.get())};
}

}  // namespace pgweir
