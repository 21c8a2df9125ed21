#pragma once

#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "covet/config/v1/services.pb.h"
#include "covet/rpc/v1/rpc.grpc.pb.h"
#include "covet/streams/v1/streams.grpc.pb.h"

namespace covet::backends::testing {

// A gRPC server with reflection (v1alpha) and health, within the test. It serves RpcService and
// StreamService by rules of its own. `RpcService.Call` does what its `method` says:
//   echo      gives `params` back as `result`
//   headers   gives the call's metadata back
//   fail      ends as the status that SetFailure was given
//   wait      ends when the caller gives up, or at Stop
// `StreamService.Subscribe` sends batches with offsets 1, 2, … as `resource_id` says: `<n>` of
// them, then ends with OK; `fail` after one; `endless`.
class TestBackend {
 public:
  // `credentials`: null for plain text.
  explicit TestBackend(std::shared_ptr<grpc::ServerCredentials> credentials = nullptr);
  ~TestBackend();

  // On the port that it had before.
  void Start();
  void Stop();
  int port() const { return port_; }
  // Its entry in `backends`, with defaults; `Call` and `ListMethods` have the prefix `rpc`, and
  // `ListMethods` is idempotent.
  config::v1::BackendConfig Config() const;

  void SetFailure(const grpc::Status& status);
  void SetServing(bool serving);
  // Waits until so many `wait` calls and endless streams run, or have been given up.
  void AwaitWaiting(int count);
  void AwaitCancelled(int count);
  int calls();
  int64_t records_sent();

 private:
  class Rpc;
  class Streams;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  grpc::Status failure_;
  int calls_ = 0;
  int waiting_ = 0;
  int cancelled_ = 0;
  int64_t records_ = 0;

  const std::shared_ptr<grpc::ServerCredentials> credentials_;
  std::unique_ptr<Rpc> rpc_;
  std::unique_ptr<Streams> streams_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

// Writes the files of these, with what they import, as a FileDescriptorSet; whole or not at all.
void WriteDescriptorSet(const std::vector<const google::protobuf::FileDescriptor*>& files,
                        const std::string& path);

}  // namespace covet::backends::testing
