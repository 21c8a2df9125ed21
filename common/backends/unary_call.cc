#include "common/backends/unary_call.h"

#include <algorithm>

namespace covet::backends {
namespace {

constexpr int kMaxAttempts = 4;
constexpr int64_t kFirstRetryMillis = 100;

}  // namespace

grpc::ByteBuffer ToBuffer(std::string_view bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

std::string_view ViewOf(const grpc::ByteBuffer& buffer, grpc::Slice* slice) {
  if (!buffer.Valid()) return {};
  if (!buffer.TrySingleSlice(slice).ok() && !buffer.DumpToSingleSlice(slice).ok()) return {};
  return {reinterpret_cast<const char*>(slice->begin()), slice->size()};
}

// One attempt.
class UnaryCall::Reactor final : public grpc::ClientUnaryReactor {
 public:
  explicit Reactor(UnaryCall* call) : call_(call) {}
  void OnDone(const grpc::Status& status) override { call_->AttemptDone(status); }
  grpc::ClientContext context;

 private:
  UnaryCall* const call_;
};

UnaryCall::UnaryCall(CallHost* host, MethodRef method, std::string_view request,
                     CallOptions options, Ended ended)
    : host_(host),
      method_(std::move(method)),
      headers_(std::move(options.metadata)),
      has_deadline_(options.timeout_ms != 0),
      deadline_(std::chrono::system_clock::now() + std::chrono::milliseconds(options.timeout_ms)),
      request_(ToBuffer(request)),
      ended_(std::move(ended)) {}

UnaryCall::~UnaryCall() = default;

void UnaryCall::Attempt() {
  if (attempts_++ == 0) self_ = shared_from_this();
  Reactor* reactor;
  {
    std::lock_guard lock(mutex_);
    reactor_ = std::make_unique<Reactor>(this);
    reactor = reactor_.get();
    if (cancelled_) reactor->context.TryCancel();
  }
  grpc::ClientContext& context = reactor->context;
  if (has_deadline_) context.set_deadline(deadline_);
  for (const auto& [key, value] : host_->configured_headers()) context.AddMetadata(key, value);
  for (const auto& [key, value] : headers_) context.AddMetadata(key, value);
  response_.Clear();
  host_->PickChannel()->stub.PrepareUnaryCall(&context, method_->path, grpc::StubOptions(),
                                              &request_, &response_, reactor);
  reactor->StartCall();
}

void UnaryCall::AttemptDone(const grpc::Status& status) {
  int64_t delay_ms = 0;
  const bool retry = MayRetry(status, &delay_ms);
  std::unique_ptr<Reactor> finished;
  bool cancelled;
  {
    std::lock_guard lock(mutex_);
    finished = std::move(reactor_);
    cancelled = cancelled_;
    waiting_ = retry && !cancelled;
  }
  finished.reset();
  if (!retry || cancelled) {
    End(status);
    return;
  }
  host_->PostAfter(delay_ms, [self = shared_from_this(), status] {
    {
      std::lock_guard lock(self->mutex_);
      if (!self->waiting_) return;  // Cancelled meanwhile.
      self->waiting_ = false;
    }
    if (self->host_->stopping()) {
      self->End(status);
    } else {
      self->Attempt();
    }
  });
}

bool UnaryCall::MayRetry(const grpc::Status& status, int64_t* delay_ms) const {
  if (!method_->idempotent || attempts_ >= kMaxAttempts ||
      status.error_code() != grpc::StatusCode::UNAVAILABLE) {
    return false;
  }
  *delay_ms = kFirstRetryMillis << (attempts_ - 1);
  return !has_deadline_ ||
         std::chrono::system_clock::now() + std::chrono::milliseconds(*delay_ms) < deadline_;
}

void UnaryCall::End(const grpc::Status& status) {
  const std::shared_ptr<UnaryCall> self = std::move(self_);
  const Ended ended = std::move(ended_);
  ended(status, response_, attempts_);
}

void UnaryCall::Cancel() {
  std::shared_ptr<UnaryCall> self;
  {
    std::lock_guard lock(mutex_);
    if (cancelled_) return;
    cancelled_ = true;
    if (reactor_) reactor_->context.TryCancel();
    if (!waiting_) return;
    waiting_ = false;
    self = self_;
  }
  host_->PostAfter(0,
                   [self] { self->End(grpc::Status(grpc::StatusCode::CANCELLED, "cancelled")); });
}

}  // namespace covet::backends
