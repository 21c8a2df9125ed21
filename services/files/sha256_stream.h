#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

namespace covet::files {

// SHA-256 of what comes bit by bit. Movable; not thread-safe.
class Sha256Stream {
 public:
  Sha256Stream() : context_(EVP_MD_CTX_new()) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void Add(std::string_view data) { EVP_DigestUpdate(context_.get(), data.data(), data.size()); }
  // 32 bytes. Once, last.
  std::string Finish() {
    std::string digest(32, '\0');
    EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr);
    return digest;
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace covet::files
