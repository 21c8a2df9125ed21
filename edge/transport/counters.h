#pragma once

#include <atomic>
#include <cstdint>

namespace covet::edge {

// A number that one thread changes and any thread may read.
class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void Sub(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// What one edge thread's transport has done since its start. Any thread may read it.
struct TransportCounters {
  Counter accepted_sockets;
  Counter open_sockets;      // A gauge: HTTP and WebSocket together.
  Counter open_connections;  // A gauge: WebSocket connections that were not told OnClosed.
  Counter upgrades;
  Counter upgrades_refused;    // By the upgrade handler, or for what the request lacked.
  Counter http_requests;       // Answered without an upgrade.
  Counter handshake_failures;  // TLS, PROXY protocol, malformed, oversize or late request headers.
  Counter messages_in;
  Counter bytes_in;
  Counter messages_out;  // Handed to the kernel whole, control frames apart.
  Counter bytes_out;
  Counter writes;          // System calls that wrote, or TLS writes.
  Counter writes_blocked;  // Writes that the socket took in part or not at all.
  Counter messages_dropped;
  Counter closed_slow;      // 4413
  Counter closed_idle;      // 4408
  Counter protocol_errors;  // Closes with 1002, 1007 or 1009 that the peer caused.
};

}  // namespace covet::edge
