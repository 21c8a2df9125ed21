// kill -9 at random points: every acknowledged chunk is there afterwards, every finished file
// whole.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "common/auth/crypto.h"
#include "common/eventlog/temp_directory.h"
#include "gtest/gtest.h"
#include "tests/files_kill/kill_store.h"

extern char** environ;

namespace covet::files {
namespace {

struct Said {
  std::map<int64_t, std::set<int64_t>> acknowledged;  // Chunks, by upload.
  std::map<int64_t, std::string> done;                // File ids, by upload.
};

// Runs the writer, kills it after it has said `lines` lines, and takes in all that it said.
void RunAndKill(const std::string& directory, int64_t first, int lines, Said* said) {
  int fds[2];
  ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
  std::string program = COVET_FILES_KILL_WRITER;
  std::string path = directory;
  std::string begin = std::to_string(first);
  char* const arguments[] = {program.data(), path.data(), begin.data(), nullptr};
  pid_t pid = -1;
  const int error = posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(fds[1]);
  const std::unique_ptr<FILE, int (*)(FILE*)> out(::fdopen(fds[0], "r"), &std::fclose);
  ASSERT_EQ(error, 0);
  char line[128];
  for (int n = 0; std::fgets(line, sizeof line, out.get()) != nullptr; ++n) {
    if (n == lines) ::kill(pid, SIGKILL);
    const std::vector<absl::string_view> words = absl::StrSplit(absl::StripSuffix(line, "\n"), ' ');
    int64_t upload = 0;
    int64_t chunk = 0;
    if (words.size() != 3) continue;
    ASSERT_TRUE(absl::SimpleAtoi(words[1], &upload)) << line;
    if (words[0] == "ack") {
      ASSERT_TRUE(absl::SimpleAtoi(words[2], &chunk)) << line;
      said->acknowledged[upload].insert(chunk);
    } else if (words[0] == "done") {
      said->done[upload] = std::string(words[2]);
    }
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void CheckUpload(Metadata& metadata, const std::string& directory, int64_t upload,
                 const std::set<int64_t>& acknowledged) {
  const auto record = metadata.FindUpload(kKillUser, KillUploadId(upload));
  ASSERT_TRUE(record.has_value());
  if (record->state == v1::UPLOAD_STATE_COMPLETED) return;
  ASSERT_EQ(record->state, v1::UPLOAD_STATE_RECEIVING);
  const ChunkRanges received = metadata.Received(record->number);
  for (const int64_t chunk : acknowledged) ASSERT_TRUE(received.Contains(chunk)) << chunk;
  std::string bytes = ReadFile(directory + "/incoming/" + record->file_id);
  // The last chunk was the last thing before the end.
  if (bytes.empty()) bytes = ReadFile(directory + "/kept/" + record->file_id);
  ASSERT_TRUE(received.count() == 0 || bytes.size() == static_cast<size_t>(kKillBytes));
  for (int64_t chunk = 0; chunk < kKillChunks; ++chunk) {
    if (!received.Contains(chunk)) continue;
    const std::string expected = KillChunk(upload, chunk);
    ASSERT_EQ(bytes.substr(static_cast<size_t>(chunk * kKillChunkBytes), expected.size()),
              expected);
  }
}

void CheckFile(Metadata& metadata, const std::string& directory, int64_t upload,
               const std::string& file_id) {
  const auto file = metadata.FindFile(file_id);
  ASSERT_TRUE(file.has_value());
  std::string expected;
  for (int64_t chunk = 0; chunk < kKillChunks; ++chunk) expected += KillChunk(upload, chunk);
  const std::string bytes = ReadFile(directory + "/kept/" + file_id);
  ASSERT_EQ(bytes, expected);
  ASSERT_EQ(file->sha256, auth::EncodeHex(auth::Sha256(expected)));
}

class FilesKillTest : public testing::TestWithParam<int> {};

TEST_P(FilesKillTest, AcknowledgedIsKept) {
  constexpr int kKills = 15;
  const eventlog::TempDirectory temporary;
  const std::string directory = temporary.File("files");
  std::mt19937 random(static_cast<uint32_t>(GetParam()));
  Said said;
  for (int round = 0; round < kKills; ++round) {
    SCOPED_TRACE(round);
    // Some die while they open; most while they write. Each begins with what the last had open.
    const int lines = random() % 5 == 0 ? 0 : static_cast<int>(random() % 400);
    const int64_t first =
        said.acknowledged.empty() ? 0 : std::max<int64_t>(said.acknowledged.rbegin()->first - 3, 0);
    RunAndKill(directory, first, lines, &said);
    if (HasFatalFailure()) return;
    KillStore store(directory);
    absl::Notification checked;
    store.executor().Post([&] {
      for (const auto& [upload, acknowledged] : said.acknowledged) {
        CheckUpload(store.metadata(), directory, upload, acknowledged);
      }
      for (const auto& [upload, file_id] : said.done) {
        CheckFile(store.metadata(), directory, upload, file_id);
      }
      checked.Notify();
    });
    checked.WaitForNotification();
    if (HasFatalFailure()) return;
  }
  // The killed writers did get somewhere.
  EXPECT_GT(said.done.size(), 5u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, FilesKillTest, testing::Values(1, 2));

}  // namespace
}  // namespace covet::files
