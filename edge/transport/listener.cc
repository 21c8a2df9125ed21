#include "edge/transport/listener.h"

#include <absl/strings/str_cat.h>
#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <chrono>
#include <utility>

namespace covet::edge {
namespace {

using tcp = net::ip::tcp;
using ReusePort = net::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

// After running out of descriptors: time for some to be given back.
constexpr std::chrono::milliseconds kAcceptRetry{50};

std::string AddressText(net::ip::address address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = net::ip::make_address_v4(net::ip::v4_mapped, address.to_v6());
  }
  return address.to_string();
}

}  // namespace

Listener::Listener(net::io_context& io_context, OnAccept on_accept)
    : acceptor_(io_context.get_executor()), retry_(io_context), on_accept_(std::move(on_accept)) {}

absl::Status Listener::Bind(const std::string& address, uint16_t port, int backlog) {
  ErrorCode error;
  const net::ip::address parsed = net::ip::make_address(address, error);
  if (error)
    return absl::InvalidArgumentError(absl::StrCat("not an address to listen on: ", address));
  const tcp::endpoint endpoint(parsed, port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.set_option(ReusePort(true), error);
  if (!error && parsed.is_v6()) acceptor_.set_option(net::ip::v6_only(false), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(backlog, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address, " port ", port, ": ", error.message()));
  }
  port_ = acceptor_.local_endpoint(error).port();
  return absl::OkStatus();
}

void Listener::Start() { Accept(); }

void Listener::Stop() {
  ErrorCode ignored;
  acceptor_.close(ignored);
  retry_.cancel();
}

void Listener::Accept() {
  acceptor_.async_accept([this](const ErrorCode& error, auto accepted) {
    if (!acceptor_.is_open()) return;
    if (error) {
      // A connection that ended before it was accepted costs nothing; anything else must not spin.
      if (error == net::error::connection_aborted) return Accept();
      retry_.expires_after(kAcceptRetry);
      retry_.async_wait([this](const ErrorCode& cancelled) {
        if (!cancelled && acceptor_.is_open()) Accept();
      });
      return;
    }
    TcpSocket socket(std::move(accepted));
    ErrorCode gone;
    const tcp::endpoint peer = socket.remote_endpoint(gone);
    if (!gone) {
      ErrorCode ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      on_accept_(std::move(socket), AddressText(peer.address()));
    }
    Accept();
  });
}

}  // namespace covet::edge
