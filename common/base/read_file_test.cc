#include "common/base/read_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace covet {
namespace {

class ReadFileTest : public testing::Test {
 protected:
  ReadFileTest() : path_(testing::TempDir() + "read_file_test." + std::to_string(getpid())) {}
  ~ReadFileTest() override { std::filesystem::remove(path_); }

  const std::string path_;
};

TEST_F(ReadFileTest, ReadsWhateverIsThere) {
  const std::string text = std::string(100'000, 'x') + std::string(1, '\0') + "\n";
  std::ofstream(path_, std::ios::binary) << text;
  EXPECT_EQ(*ReadFile(path_), text);
  EXPECT_EQ(*ReadFile("/dev/null"), "");
}

TEST_F(ReadFileTest, SaysWhyNot) {
  EXPECT_EQ(ReadFile(path_).status(),
            absl::NotFoundError("cannot read " + path_ + ": No such file or directory"));
  EXPECT_EQ(ReadFile("/").status(), absl::FailedPreconditionError("cannot read /: Is a directory"));
}

}  // namespace
}  // namespace covet
