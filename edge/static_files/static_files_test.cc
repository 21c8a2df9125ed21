#include "edge/static_files/static_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/eventlog/temp_directory.h"
#include "edge/transport/testing/raw_client.h"
#include "edge/transport/testing/test_server.h"

namespace covet::edge {
namespace {

// What the edge has itself: /ws, and 404 for the rest.
class Edge final : public HttpHandler {
 public:
  HttpResponse OnRequest(const HttpRequest& request) override {
    if (request.target == "/ws") return {.status = 426};
    return {.status = 404, .headers = {{"Content-Type", "application/json"}}, .body = "{}"};
  }
};

// Over a real server and sockets.
class StaticFilesTest : public ::testing::Test {
 protected:
  StaticFilesTest() : files_(FileIndex(), edge_) {
    Write("index.html", "<h1>home</h1>");
    Write("docs/index.html", "docs");
    Write("ws", "shadow");
    big_.resize(300'001);
    for (size_t i = 0; i < big_.size(); ++i) big_[i] = static_cast<char>(i * 7 % 251);
    Write("big.bin", big_);
    Load();
    files_.Bind({&server_.transport().thread(0)});
    server_.on_request = [this](const HttpRequest& request) { return files_.OnRequest(request); };
  }

  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  void Load() {
    auto index = FileIndex::Read({{"/", folder_}});
    ASSERT_TRUE(index.ok()) << index.status();
    files_.Set(*std::move(index));
  }

  // Head and body of the answer, on a connection of its own.
  std::pair<std::string, std::string> Ask(const std::string& line,
                                          const std::string& headers = "") {
    RawClient client;
    EXPECT_TRUE(client.Connect(server_.port()));
    EXPECT_TRUE(client.Write(absl::StrCat(line, " HTTP/1.1\r\nHost: localhost\r\n", headers,
                                          "Connection: close\r\n\r\n")));
    std::string head = client.ReadHead();
    return {head, client.ReadToEnd()};
  }
  static int StatusOf(const std::string& head) {
    return head.size() > 12 ? std::stoi(head.substr(9, 3)) : 0;
  }
  static bool Has(const std::string& head, const std::string& line) {
    return head.find("\r\n" + line + "\r\n") != std::string::npos;
  }
  static std::string TagOf(const std::string& head) {
    const size_t begin = head.find("ETag: ") + 6;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }

  const eventlog::TempDirectory temp_;
  const std::filesystem::path folder_{temp_.path()};
  Edge edge_;
  StaticFiles files_;
  std::string big_;
  TestServer server_;
};

TEST_F(StaticFilesTest, AFileIsSentWithWhatKeepsItSafe) {
  const auto [head, body] = Ask("GET /?a=1");
  EXPECT_EQ(StatusOf(head), 200);
  EXPECT_EQ(body, "<h1>home</h1>");
  for (const char* line :
       {"Content-Type: text/html; charset=utf-8", "Content-Length: 13", "Cache-Control: no-cache",
        "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer",
        "Cross-Origin-Resource-Policy: same-origin",
        "Content-Security-Policy: default-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; object-src 'none'"}) {
    EXPECT_TRUE(Has(head, line)) << line << "\n" << head;
  }
}

TEST_F(StaticFilesTest, ALargeFileComesWholeInPieces) {
  const auto [head, body] = Ask("GET /big.bin");
  EXPECT_EQ(StatusOf(head), 200);
  EXPECT_TRUE(Has(head, "Content-Length: 300001"));
  EXPECT_TRUE(body == big_);
}

TEST_F(StaticFilesTest, HeadHasNoBody) {
  for (const auto& [path, length] : {std::pair("/", 13), std::pair("/big.bin", 300'001)}) {
    const auto [head, body] = Ask(absl::StrCat("HEAD ", path));
    EXPECT_EQ(StatusOf(head), 200);
    EXPECT_TRUE(Has(head, absl::StrCat("Content-Length: ", length))) << head;
    EXPECT_EQ(body, "");
  }
}

TEST_F(StaticFilesTest, WhatIsKnownIsNotSentAgain) {
  const std::string tag = TagOf(Ask("GET /big.bin").first);
  for (const std::string& known : {tag, "W/" + tag, "\"other\", " + tag, std::string("*")}) {
    const auto [head, body] = Ask("GET /big.bin", absl::StrCat("If-None-Match: ", known, "\r\n"));
    EXPECT_EQ(StatusOf(head), 304) << known;
    EXPECT_EQ(TagOf(head), tag);
    EXPECT_EQ(body, "");
  }
  EXPECT_EQ(StatusOf(Ask("GET /big.bin", "If-None-Match: \"other\"\r\n").first), 200);
  Write("big.bin", "small now");
  Load();
  const auto [head, body] = Ask("GET /big.bin", absl::StrCat("If-None-Match: ", tag, "\r\n"));
  EXPECT_EQ(StatusOf(head), 200);
  EXPECT_EQ(body, "small now");
}

TEST_F(StaticFilesTest, WhatIsNotThereIsTheOthersAnswerOrAPage) {
  for (const char* path : {"/none", "/../etc/passwd", "/%2e%2e/etc/passwd", "/docs/../index.html",
                           "/docs//", "//docs", "/index.html/"}) {
    const auto [head, body] = Ask(absl::StrCat("GET ", path));
    EXPECT_EQ(StatusOf(head), 404) << path;
    EXPECT_EQ(body, "{}") << path;
  }
  Write("404.html", "nothing here");
  Load();
  const auto [head, body] = Ask("GET /none", "If-None-Match: *\r\n");
  EXPECT_EQ(StatusOf(head), 404);
  EXPECT_EQ(body, "nothing here");
  EXPECT_TRUE(Has(head, "X-Content-Type-Options: nosniff"));
  EXPECT_EQ(Ask("POST /none").second, "{}");
}

TEST_F(StaticFilesTest, TheEdgesOwnPathsGoFirst) { EXPECT_EQ(StatusOf(Ask("GET /ws").first), 426); }

TEST_F(StaticFilesTest, ADirectoryWithoutItsSlashIsRedirected) {
  const auto [head, body] = Ask("GET /docs?a=1");
  EXPECT_EQ(StatusOf(head), 301);
  EXPECT_TRUE(Has(head, "Location: /docs/"));
  EXPECT_EQ(Ask("GET /docs/").second, "docs");
}

TEST_F(StaticFilesTest, OtherMethodsAreRefused) {
  for (const char* line : {"POST /", "DELETE /docs", "PUT /big.bin", "OPTIONS /"}) {
    const auto [head, body] = Ask(line);
    EXPECT_EQ(StatusOf(head), 405) << line;
    EXPECT_TRUE(Has(head, "Allow: GET, HEAD"));
  }
}

}  // namespace
}  // namespace covet::edge
