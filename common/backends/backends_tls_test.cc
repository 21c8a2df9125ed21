// Backends over mutual TLS.

#include <grpcpp/security/server_credentials.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "common/backends/backend.h"
#include "common/backends/testing/test_backend.h"
#include "common/eventlog/temp_directory.h"

namespace covet::backends {
namespace {

using testing::TestBackend;

// An authority, and a certificate of its for `backend.example.com`.
class BackendsTlsTest : public ::testing::Test {
 protected:
  BackendsTlsTest() {
    const std::string key = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes ";
    const std::string command =
        "exec 2>/dev/null; cd " + directory_.path() + " && " + key +
        "-x509 -days 2 -subj /CN=ca -keyout ca.key -out ca.pem && " + key +
        "-subj /CN=backend -keyout key.pem -out csr.pem"
        " && printf 'subjectAltName=DNS:backend.example.com' > ext"
        " && openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2"
        " -extfile ext -out cert.pem";
    EXPECT_EQ(std::system(command.c_str()), 0);
    grpc::SslServerCredentialsOptions options(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = Read("ca.pem");
    options.pem_key_cert_pairs.push_back({Read("key.pem"), Read("cert.pem")});
    server_ = std::make_unique<TestBackend>(grpc::SslServerCredentials(options));
    server_->Start();
  }

  std::string Read(const std::string& name) {
    std::ifstream in(directory_.File(name));
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  config::v1::BackendConfig Config() {
    config::v1::BackendConfig config = server_->Config();
    auto& tls = *config.mutable_tls();
    tls.set_ca_file(directory_.File("ca.pem"));
    tls.set_cert_file(directory_.File("cert.pem"));
    tls.set_key_file(directory_.File("key.pem"));
    tls.set_server_name("backend.example.com");
    return config;
  }

  const eventlog::TempDirectory directory_;
  std::unique_ptr<TestBackend> server_;
};

TEST_F(BackendsTlsTest, ProvesItselfAndChecksTheBackend) {
  std::promise<void> found;
  auto backends =
      Backends::Create({{"one", Config()}},
                       {.role = "test", .methods_changed = [&](Backend&) { found.set_value(); }});
  ASSERT_TRUE(backends.ok()) << backends.status();
  (*backends)->Start();
  ASSERT_EQ(found.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  Backend& backend = *(*backends)->Find("one");
  const auto table = backend.methods();
  std::promise<CallResult> result;
  backend.Call(RefTo(table, table->Find("rpc.call")), R"({"method":"echo"})", {},
               [&](CallResult done) { result.set_value(std::move(done)); });
  EXPECT_EQ(std::get<std::string>(result.get_future().get()), R"({"result":{}})");
}

TEST_F(BackendsTlsTest, DoesNotTrustAnotherName) {
  config::v1::BackendConfig config = Config();
  config.mutable_tls()->set_server_name("other.example.com");
  // What it offers is known; whether it may be called is another matter.
  const std::string file = directory_.File("set");
  testing::WriteDescriptorSet({rpc::v1::CallRequest::descriptor()->file()}, file);
  config.set_descriptor_set(file);
  auto backends = Backends::Create({{"one", config}}, {.role = "test", .methods_changed = nullptr});
  ASSERT_TRUE(backends.ok()) << backends.status();
  (*backends)->Start();
  Backend& backend = *(*backends)->Find("one");
  const auto table = backend.methods();
  std::promise<CallResult> result;
  backend.Call(RefTo(table, table->Find("rpc.call")), R"({"method":"echo"})", {},
               [&](CallResult done) { result.set_value(std::move(done)); });
  EXPECT_EQ(std::get<CallError>(result.get_future().get()).code, "UNAVAILABLE");
  EXPECT_EQ(server_->calls(), 0);
}

}  // namespace
}  // namespace covet::backends
