#include "common/server/admin_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/config/formats.h"

namespace covet::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr int kMaxConnections = 64;
constexpr size_t kMaxHeadBytes = 8192;
constexpr auto kTimeout = std::chrono::seconds(5);

using Response = http::response<http::string_body>;

Response Answer(const http::request<http::empty_body>& request, http::status status,
                std::string body, const char* type = "text/plain; charset=utf-8") {
  Response response(status, request.version());
  response.set(http::field::content_type, type);
  response.set(http::field::cache_control, "no-store");
  response.keep_alive(request.keep_alive());
  response.content_length(body.size());
  if (request.method() != http::verb::head) response.body() = std::move(body);
  return response;
}

Response Route(const http::request<http::empty_body>& request,
               const AdminServer::Handlers& handlers) {
  const auto query = request.target().find('?');
  const beast::string_view path = request.target().substr(0, query);
  const bool known = path == "/metrics" || path == "/healthz" || path == "/readyz";
  if (!known) return Answer(request, http::status::not_found, "not found\n");
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    Response response = Answer(request, http::status::method_not_allowed, "method not allowed\n");
    response.set(http::field::allow, "GET, HEAD");
    return response;
  }
  if (path == "/metrics") {
    return Answer(request, http::status::ok, handlers.metrics(),
                  "text/plain; version=0.0.4; charset=utf-8");
  }
  if (path == "/healthz") return Answer(request, http::status::ok, "ok\n");
  const std::string unready = handlers.unready();
  if (unready.empty()) return Answer(request, http::status::ok, "ready\n");
  return Answer(request, http::status::service_unavailable,
                absl::StrCat("not ready: ", unready, "\n"));
}

// One connection; lives as long as an operation of it is pending.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, const AdminServer::Handlers& handlers, int* open)
      : stream_(std::move(socket)), handlers_(handlers), open_(*open) {
    ++open_;
  }
  ~Session() { --open_; }

  void Read() {
    parser_.emplace();
    parser_->header_limit(kMaxHeadBytes);
    parser_->body_limit(0);
    stream_.expires_after(kTimeout);
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, size_t) { self->OnRead(error); });
  }

 private:
  void OnRead(error_code error) {
    if (error) {
      // A timeout, a broken peer, or not HTTP. The last of these gets an answer.
      if (error == http::error::end_of_stream || error == beast::error::timeout ||
          error.category() != http::make_error_code(http::error::end_of_stream).category()) {
        return;
      }
      http::request<http::empty_body> bad;
      bad.version(11);
      bad.keep_alive(false);
      const auto status = error == http::error::header_limit
                              ? http::status::request_header_fields_too_large
                          : error == http::error::body_limit ? http::status::payload_too_large
                                                             : http::status::bad_request;
      return Write(Answer(bad, status, "bad request\n"));
    }
    Write(Route(parser_->get(), handlers_));
  }

  void Write(Response response) {
    response_ = std::move(response);
    stream_.expires_after(kTimeout);
    http::async_write(stream_, response_, [self = shared_from_this()](error_code error, size_t) {
      self->OnWritten(error);
    });
  }

  void OnWritten(error_code error) {
    if (error) return;
    if (response_.keep_alive()) return Read();
    stream_.socket().shutdown(tcp::socket::shutdown_send, error);
  }

  beast::tcp_stream stream_;
  const AdminServer::Handlers& handlers_;
  int& open_;
  beast::flat_buffer buffer_{kMaxHeadBytes};
  std::optional<http::request_parser<http::empty_body>> parser_;
  Response response_;
};

}  // namespace

class AdminServer::Impl {
 public:
  explicit Impl(Handlers handlers) : handlers_(std::move(handlers)) {}

  ~Impl() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Start(const std::string& listen) {
    std::string host;
    int port = 0;
    if (!config::SplitAddress(listen, &host, &port)) {
      return absl::InvalidArgumentError(absl::StrCat("bad address ", listen));
    }
    error_code error;
    const auto endpoints =
        tcp::resolver(io_).resolve(host, std::to_string(port), tcp::resolver::passive, error);
    if (!error && !endpoints.empty()) {
      const tcp::endpoint endpoint = *endpoints.begin();
      acceptor_.open(endpoint.protocol(), error);
      if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
      if (!error) acceptor_.bind(endpoint, error);
      if (!error) acceptor_.listen(kMaxConnections, error);
    }
    if (error) {
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", listen, ": ", error.message()));
    }
    port_ = acceptor_.local_endpoint().port();
    Accept();
    thread_ = std::thread([this] { io_.run(); });
    return absl::OkStatus();
  }

  int port() const { return port_; }

 private:
  void Accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      // A connection beyond the bound is closed at once.
      if (!error && open_ < kMaxConnections) {
        std::make_shared<Session>(std::move(socket), handlers_, &open_)->Read();
      }
      Accept();
    });
  }

  const Handlers handlers_;
  int open_ = 0;  // Outlives the sessions, which die with io_.
  asio::io_context io_{1};
  tcp::acceptor acceptor_{io_};
  int port_ = 0;
  std::thread thread_;
};

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminServer::~AdminServer() = default;

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(const std::string& listen,
                                                                Handlers handlers) {
  auto impl = std::make_unique<Impl>(std::move(handlers));
  const absl::Status status = impl->Start(listen);
  if (!status.ok()) return status;
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

int AdminServer::port() const { return impl_->port(); }

}  // namespace covet::server
