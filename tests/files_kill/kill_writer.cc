// Uploads files, some at a time, with their chunks in a random order, and says on stdout what was
// acknowledged, until somebody kills it: "start <upload>", "ack <upload> <chunk>" and
// "done <upload> <file id>". Uploads that an earlier process began are gone on with.

#include <unistd.h>

#include <cstdlib>
#include <future>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "common/auth/crypto.h"
#include "tests/files_kill/kill_store.h"

namespace covet::files {
namespace {

constexpr int kAtOnce = 3;
constexpr size_t kWindow = 4;

// One write(2) below PIPE_BUF is never torn.
void Say(const std::string& line) {
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) ::_exit(3);
}

// Everything runs on the core's executor.
class Writer final : public Uploader {
 public:
  Writer(KillStore& store, std::mt19937& random, int64_t* next)
      : store_(store), random_(random), next_(next) {}

  void StartNext() {
    upload_ = (*next_)++;
    auto user = std::make_shared<common::v1::Identity>();
    user->set_user_id(kKillUser);
    user->add_roles("admin");
    id_ = store_.core().Attach(this, std::move(user), "");
    v1::UploadRequest request;
    v1::StartUpload* start = request.mutable_start();
    start->set_upload_id(KillUploadId(upload_));
    start->set_filename("f");
    start->set_size(kKillBytes);
    start->set_chunk_size(kKillChunkBytes);
    store_.core().OnRequest(id_, std::move(request));
  }

  void Send(v1::UploadResponse response) override {
    const std::string upload = std::to_string(upload_);
    if (response.has_ready()) {
      Say("start " + upload + "\n");
      std::set<int64_t> missing;
      for (int64_t i = 0; i < kKillChunks; ++i) missing.insert(i);
      for (const v1::ChunkRange& range : response.ready().received()) {
        for (int64_t i = range.first(); i <= range.last(); ++i) missing.erase(i);
      }
      missing_.assign(missing.begin(), missing.end());
      std::shuffle(missing_.begin(), missing_.end(), random_);
      for (size_t i = 0; i < kWindow; ++i) SendChunk();
    } else if (response.has_chunk_ack()) {
      Say("ack " + upload + " " + std::to_string(response.chunk_ack().chunk_index()) + "\n");
      SendChunk();
    } else if (response.has_completed()) {
      Say("done " + upload + " " + response.completed().file_id() + "\n");
    } else if (!response.has_status()) {
      ::_exit(4);
    }
  }
  void End(absl::Status status) override {
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      ::_exit(5);
    }
    StartNext();
  }
  void Release(int64_t) override {}

 private:
  void SendChunk() {
    if (missing_.empty()) return;
    const int64_t index = missing_.back();
    missing_.pop_back();
    v1::UploadRequest request;
    v1::Chunk* chunk = request.mutable_chunk();
    chunk->set_chunk_index(index);
    chunk->set_data(KillChunk(upload_, index));
    chunk->set_checksum(auth::Sha256(chunk->data()));
    // Not from inside the core.
    store_.executor().Post([this, request = std::move(request)]() mutable {
      store_.core().OnRequest(id_, std::move(request));
    });
  }

  KillStore& store_;
  std::mt19937& random_;
  int64_t* const next_;
  int64_t upload_ = 0;
  FilesCore::UploaderId id_ = 0;
  std::vector<int64_t> missing_;
};

int Run(const std::string& directory, int64_t first) {
  KillStore store(directory);
  Say("open\n");
  std::mt19937 random(static_cast<uint32_t>(first));
  int64_t next = first;
  std::vector<std::unique_ptr<Writer>> writers;
  for (int i = 0; i < kAtOnce; ++i) {
    writers.push_back(std::make_unique<Writer>(store, random, &next));
    store.executor().Post([writer = writers.back().get()] { writer->StartNext(); });
  }
  std::promise<void>().get_future().wait();
  return 0;
}

}  // namespace
}  // namespace covet::files

int main(int argc, char** argv) {
  int64_t first = 0;
  if (argc != 3 || !absl::SimpleAtoi(argv[2], &first)) return 1;
  return covet::files::Run(argv[1], first);
}
