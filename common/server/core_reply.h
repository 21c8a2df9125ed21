#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "common/server/unary_call.h"

namespace covet::server {

// The caller, as the cores of services keep it beyond the call.
inline std::shared_ptr<const common::v1::Identity> IdentityOf(const CallInfo& call) {
  return std::make_shared<const common::v1::Identity>(call.caller.identity);
}

// A core's reply that fills the response, runs `then` if all went well, and ends the call.
// `response` lives until `done` is called.
template <typename T, typename Then>
std::function<void(absl::StatusOr<T>)> Into(T* response, UnaryDone done, Then then) {
  return [response, done = std::move(done), then = std::move(then)](absl::StatusOr<T> result) {
    if (result.ok()) {
      *response = std::move(*result);
      then();
    }
    done(result.status());
  };
}
template <typename T>
std::function<void(absl::StatusOr<T>)> Into(T* response, UnaryDone done) {
  return Into(response, std::move(done), [] {});
}

}  // namespace covet::server
