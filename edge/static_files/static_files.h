#pragma once

#include <memory>
#include <vector>

#include "common/base/snapshot.h"
#include "edge/static_files/file_index.h"
#include "edge/transport/edge_thread.h"
#include "edge/transport/http.h"

namespace covet::edge {

// Answers GET and HEAD of files that an index holds. What `other` has at a path goes first; only
// what it answers with 404 is looked for. Pages may load what this server has, and nothing from
// elsewhere. Called on every edge thread.
class StaticFiles final : public HttpHandler {
 public:
  // `other` must outlive it.
  StaticFiles(FileIndex index, HttpHandler& other)
      : index_(std::make_shared<const FileIndex>(std::move(index))), other_(other) {}

  // The edge's threads, in their order. Before the first request.
  void Bind(std::vector<EdgeThread*> threads) { threads_ = std::move(threads); }

  // Thread-safe. Answers under way go on with what they began.
  void Set(FileIndex index) { index_.Set(std::make_shared<const FileIndex>(std::move(index))); }

  HttpResponse OnRequest(const HttpRequest& request) override;

 private:
  HttpResponse Send(const HttpRequest& request, const StaticFile& file, int status) const;

  Snapshot<FileIndex> index_;
  HttpHandler& other_;
  std::vector<EdgeThread*> threads_;
};

}  // namespace covet::edge
