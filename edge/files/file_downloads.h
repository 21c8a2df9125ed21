#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "edge/files/files_gateway.h"
#include "edge/transport/edge_thread.h"
#include "edge/transport/http.h"

namespace covet::edge {

// What downloads have done; written and read by any thread.
struct DownloadCounters {
  std::atomic<int64_t> open{0};  // A gauge: bodies under way.
  std::atomic<int64_t> bytes{0};
  std::atomic<int64_t> sent{0};       // 200 and 206.
  std::atomic<int64_t> refused{0};    // 4xx.
  std::atomic<int64_t> unchanged{0};  // 304.
  std::atomic<int64_t> failed{0};     // 5xx, and bodies that broke off.
};

// Answers GET and HEAD of `/files/<file_id>?expires=…&signature=…` with the file; everything else
// goes on to `other`. Called on every edge thread.
class FileDownloads final : public HttpHandler {
 public:
  // All must outlive it, and its downloads; `draining` refuses new ones, and those under way are
  // counted in `running` for whoever drains.
  FileDownloads(FilesGateway& gateway, HttpHandler& other, const std::atomic<bool>& draining,
                std::atomic<int64_t>& running)
      : gateway_(gateway), other_(other), draining_(draining), running_(running) {}

  // The edge's threads, in their order. Before the first request.
  void Bind(std::vector<EdgeThread*> threads) { threads_ = std::move(threads); }

  HttpResponse OnRequest(const HttpRequest& request) override;

  const DownloadCounters& counters() const { return counters_; }

 private:
  FilesGateway& gateway_;
  HttpHandler& other_;
  const std::atomic<bool>& draining_;
  std::atomic<int64_t>& running_;
  std::vector<EdgeThread*> threads_;
  DownloadCounters counters_;
};

}  // namespace covet::edge
