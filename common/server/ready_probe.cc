#include "common/server/ready_probe.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/config/formats.h"

namespace covet::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

// One GET of /readyz. Lives until `io` has run out of work.
class Probe {
 public:
  explicit Probe(asio::io_context& io) : stream_(io) {}

  void Start(const tcp::resolver::results_type& endpoints) {
    stream_.expires_after(std::chrono::milliseconds(kReadyProbeMs));
    stream_.async_connect(endpoints, [this](error_code error, const tcp::endpoint&) {
      if (error) return Fail(error);
      http::async_write(stream_, request_, [this](error_code error, size_t) {
        if (error) return Fail(error);
        http::async_read(stream_, buffer_, response_, [this](error_code error, size_t) {
          if (error) return Fail(error);
          if (response_.result() == http::status::ok) {
            status_ = absl::OkStatus();
          } else {
            status_ = absl::UnavailableError(absl::StripAsciiWhitespace(response_.body()));
          }
        });
      });
    });
  }

  const absl::Status& status() const { return status_; }

 private:
  void Fail(error_code error) { status_ = absl::UnavailableError(error.message()); }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  const http::request<http::empty_body> request_{http::verb::get, "/readyz", 11};
  http::response<http::string_body> response_;
  absl::Status status_ = absl::UnavailableError("no answer");
};

}  // namespace

absl::Status ProbeReady(const std::string& listen) {
  std::string host;
  int port = 0;
  if (!config::SplitAddress(listen, &host, &port)) {
    return absl::InvalidArgumentError(absl::StrCat("bad address ", listen));
  }
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  asio::io_context io{1};
  error_code error;
  const auto endpoints = tcp::resolver(io).resolve(host, std::to_string(port), error);
  if (error) return absl::UnavailableError(error.message());
  Probe probe(io);
  probe.Start(endpoints);
  io.run();
  return probe.status();
}

}  // namespace covet::server
