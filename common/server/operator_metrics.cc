#include "common/server/operator_metrics.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/config/config.h"

namespace covet::server {
namespace {

using metrics::CallbackRegistration;

bool KeepsData(const config::v1::Config& config) {
  const auto roles = config::RolesOf(config);
  return std::any_of(roles.begin(), roles.end(), [](const std::string& role) {
    return role == "rooms" || role == "streams" || role == "files";
  });
}

// NaN, which no rule mistakes for an empty disk, if the folder cannot be asked.
double Blocks(const std::string& path, fsblkcnt_t statvfs::*blocks) {
  struct statvfs found {};
  if (statvfs(path.c_str(), &found) != 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(found.*blocks) * static_cast<double>(found.f_frsize);
}

}  // namespace

absl::StatusOr<int64_t> CertificateExpiry(const std::string& path) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> file(BIO_new_file(path.c_str(), "r"), BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      file == nullptr ? nullptr : PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr),
      X509_free);
  std::tm time{};
  if (certificate == nullptr ||
      ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &time) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("no certificate in ", path));
  }
  return timegm(&time);
}

std::vector<CallbackRegistration> AddOperatorMetrics(metrics::Registry* registry,
                                                     const config::v1::Config& config) {
  std::vector<CallbackRegistration> all;
  if (KeepsData(config)) {
    const std::string& path = config.storage().data_dir();
    all.push_back(registry->AddCallbackGauge("covet_storage_free_bytes",
                                             "Room left where the data directory lies.", {},
                                             [path] { return Blocks(path, &statvfs::f_bavail); }));
    all.push_back(registry->AddCallbackGauge("covet_storage_size_bytes",
                                             "The size of what the data directory lies on.", {},
                                             [path] { return Blocks(path, &statvfs::f_blocks); }));
  }
  for (const auto& [use, path] : {std::pair{"edge", config.edge().tls().cert_file()},
                                  std::pair{"grpc", config.grpc().tls().cert_file()}}) {
    if (path.empty()) continue;
    const absl::StatusOr<int64_t> expiry = CertificateExpiry(path);
    if (!expiry.ok()) continue;  // The server that needs it tells what is wrong.
    all.push_back(registry->AddCallbackGauge(
        "covet_certificate_expiry_timestamp_seconds",
        "When the certificate in use expires, in seconds since the Unix epoch.", {{"use", use}},
        [expiry = static_cast<double>(*expiry)] { return expiry; }));
  }
  return all;
}

}  // namespace covet::server
