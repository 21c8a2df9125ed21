#include "edge/static_files/file_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "common/eventlog/temp_directory.h"

namespace covet::edge {
namespace {

using ::testing::HasSubstr;

class FileIndexTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  std::string Folder(const std::string& name) { return folder_ / name; }

  static std::string Text(const StaticFile* file) { return file == nullptr ? "-" : *file->bytes; }

  const eventlog::TempDirectory temp_;
  const std::filesystem::path folder_{temp_.path()};
};

TEST_F(FileIndexTest, FindsFilesByThePathsOfTheirUrls) {
  Write("site/index.html", "home");
  Write("site/app.js", "code");
  Write("site/docs/index.html", "docs");
  Write("site/docs/a/b/c.css", "style");
  const auto index = FileIndex::Read({{"/", Folder("site")}});
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(Text(index->Find("/")), "home");
  EXPECT_EQ(Text(index->Find("/index.html")), "home");
  EXPECT_EQ(Text(index->Find("/app.js")), "code");
  EXPECT_EQ(index->Find("/app.js")->content_type, "text/javascript; charset=utf-8");
  EXPECT_EQ(Text(index->Find("/docs/")), "docs");
  EXPECT_EQ(Text(index->Find("/docs/a/b/c.css")), "style");
  EXPECT_TRUE(index->IsDirectory("/docs"));
  EXPECT_FALSE(index->IsDirectory("/docs/a"));
  for (const char* path :
       {"/docs", "/docs/a/", "/app", "/app.js/", "app.js", "", "//", "/docs//"}) {
    EXPECT_EQ(index->Find(path), nullptr) << path;
  }
}

TEST_F(FileIndexTest, NoPathLeadsOutOfTheDirectory) {
  Write("site/in.txt", "in");
  Write("site/deep/in.txt", "in");
  Write("secret.txt", "secret");
  const auto index = FileIndex::Read({{"/site/", Folder("site")}});
  ASSERT_TRUE(index.ok());
  const std::string absolute = Folder("secret.txt");
  for (const std::string& path : {std::string("/site/../secret.txt"),
                                  std::string("/site/deep/../../secret.txt"),
                                  std::string("/site/%2e%2e/secret.txt"),
                                  std::string("/site/..%2fsecret.txt"),
                                  std::string("/site/..\\secret.txt"),
                                  std::string("/site/./in.txt"),
                                  std::string("/site/deep/../in.txt"),
                                  std::string("/site/in.txt\0", 13),
                                  std::string("/site/in.txt\0.html", 18),
                                  std::string("/../secret.txt"),
                                  std::string("../secret.txt"),
                                  std::string("/secret.txt"),
                                  absolute,
                                  "/site/" + absolute,
                                  "/site" + absolute,
                                  "//site/in.txt" + std::string(),
                                  std::string("/site//in.txt"),
                                  std::string("/SITE/in.txt"),
                                  std::string(100'000, '/'),
                                  std::string("/site/") + std::string(100'000, '.')}) {
    EXPECT_EQ(index->Find(path), nullptr) << path.substr(0, 100);
    EXPECT_FALSE(index->IsDirectory(path)) << path.substr(0, 100);
  }
  EXPECT_EQ(Text(index->Find("/site/in.txt")), "in");
}

TEST_F(FileIndexTest, LinksHiddenFilesAndOtherThingsAreNotServed) {
  Write("secret/secret.txt", "secret");
  Write("site/in.txt", "in");
  Write("site/.hidden", "hidden");
  Write("site/.git/config", "hidden");
  Write("site/a b.txt", "space");
  std::filesystem::create_symlink(Folder("secret/secret.txt"), Folder("site/file.txt"));
  std::filesystem::create_directory_symlink(Folder("secret"), Folder("site/folder"));
  std::filesystem::create_directory_symlink(Folder("site"), Folder("site/loop"));
  std::filesystem::create_symlink(Folder("nowhere"), Folder("site/broken"));
  ASSERT_EQ(mkfifo(Folder("site/pipe").c_str(), 0600), 0);
  const auto index = FileIndex::Read({{"/", Folder("site")}});
  ASSERT_TRUE(index.ok()) << index.status();
  for (const char* path : {"/.hidden", "/.git/config", "/a b.txt", "/a%20b.txt", "/file.txt",
                           "/folder/secret.txt", "/loop/in.txt", "/broken", "/pipe"}) {
    EXPECT_EQ(index->Find(path), nullptr) << path;
  }
  EXPECT_EQ(Text(index->Find("/in.txt")), "in");
}

TEST_F(FileIndexTest, TheDirectoryItselfMayBeALink) {
  Write("release_2/index.html", "2");
  std::filesystem::create_directory_symlink(Folder("release_2"), Folder("current"));
  const auto index = FileIndex::Read({{"/", Folder("current")}});
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(Text(index->Find("/")), "2");
}

TEST_F(FileIndexTest, TheLongerPathCounts) {
  Write("site/client/a.js", "site");
  Write("site/client/b.js", "site");
  Write("client/a.js", "client");
  const auto index = FileIndex::Read({{"/", Folder("site")}, {"/client/", Folder("client")}});
  ASSERT_TRUE(index.ok());
  EXPECT_EQ(Text(index->Find("/client/a.js")), "client");
  EXPECT_EQ(Text(index->Find("/client/b.js")), "site");
}

TEST_F(FileIndexTest, ADirectoryMayHaveAPageForWhatIsNotThere) {
  Write("site/404.html", "site's");
  Write("app/404.html", "app's");
  Write("plain/a.txt", "a");
  const auto index = FileIndex::Read(
      {{"/", Folder("site")}, {"/app/", Folder("app")}, {"/plain/", Folder("plain")}});
  ASSERT_TRUE(index.ok());
  EXPECT_EQ(Text(index->NotFoundPage("/x")), "site's");
  EXPECT_EQ(Text(index->NotFoundPage("/app/x/y")), "app's");
  EXPECT_EQ(index->NotFoundPage("/plain/x"), nullptr);
  EXPECT_EQ(FileIndex().NotFoundPage("/x"), nullptr);
}

TEST_F(FileIndexTest, TagsFollowTheBytes) {
  Write("a/f", "one");
  Write("b/f", "two");
  Write("c/f", "one");
  const auto tag = [this](const std::string& folder) {
    return FileIndex::Read({{"/", Folder(folder)}})->Find("/f")->tag;
  };
  EXPECT_EQ(tag("a"), tag("c"));
  EXPECT_NE(tag("a"), tag("b"));
  EXPECT_EQ(tag("a").size(), 24u);
  EXPECT_EQ(tag("a").front(), '"');
}

TEST_F(FileIndexTest, WhatCannotBeReadIsTold) {
  const auto missing = FileIndex::Read({{"/", Folder("nowhere")}});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("nowhere: No such file"));
  EXPECT_FALSE(FileIndex::Read({{"/", Write("file", "text")}}).ok());
}

TEST_F(FileIndexTest, IsBounded) {
  const std::string big = Write("site/big.bin", "");
  std::filesystem::resize_file(big, FileIndex::kMaxBytes);
  EXPECT_TRUE(FileIndex::Read({{"/", Folder("site")}}).ok());
  Write("site/one.txt", "1");
  EXPECT_EQ(FileIndex::Read({{"/", Folder("site")}}).status().code(),
            absl::StatusCode::kResourceExhausted);
  std::string deep = "deep";
  for (int i = 0; i < 20; ++i) deep += "/d";
  Write(deep + "/f", "");
  EXPECT_EQ(FileIndex::Read({{"/", Folder("deep")}}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(ContentTypeTest, IsKnownByTheEnding) {
  EXPECT_EQ(ContentTypeOf("a.html"), "text/html; charset=utf-8");
  EXPECT_EQ(ContentTypeOf("a.SVG"), "image/svg+xml");
  EXPECT_EQ(ContentTypeOf("a.min.js"), "text/javascript; charset=utf-8");
  for (const char* name : {"a", "a.", "a.exe", "html", "a.js.bak", ""}) {
    EXPECT_EQ(ContentTypeOf(name), "application/octet-stream") << name;
  }
}

}  // namespace
}  // namespace covet::edge
