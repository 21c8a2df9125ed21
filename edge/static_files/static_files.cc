#include "edge/static_files/static_files.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/string_map.h"
#include "edge/files/file_response.h"

namespace covet::edge {
namespace {

// Larger ones are sent in pieces of this size, so that slow readers hold no copies.
constexpr size_t kPieceBytes = 64 << 10;

// No script, style or request but from this server, and no frame of another's around it.
constexpr char kContentSecurityPolicy[] =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'";

// A file's bytes on their way to the socket.
class Body final : public HttpBody, public std::enable_shared_from_this<Body> {
 public:
  Body(std::shared_ptr<const std::string> bytes, EdgeThread& thread)
      : bytes_(std::move(bytes)), thread_(thread) {}

  void Next(std::function<void(std::optional<std::string>)> done) override {
    thread_.Post([self = shared_from_this(), done = std::move(done)] {
      if (self->cancelled_) return;
      std::string piece = self->bytes_->substr(self->sent_, kPieceBytes);
      self->sent_ += piece.size();
      done(std::move(piece));
    });
  }
  void Cancel() override { cancelled_ = true; }

 private:
  const std::shared_ptr<const std::string> bytes_;
  EdgeThread& thread_;
  size_t sent_ = 0;
  bool cancelled_ = false;
};

}  // namespace

HttpResponse StaticFiles::OnRequest(const HttpRequest& request) {
  HttpResponse theirs = other_.OnRequest(request);
  if (theirs.status != 404 || theirs.pending != nullptr) return theirs;
  const std::string_view path = request.target.substr(0, request.target.find('?'));
  const std::shared_ptr<const FileIndex> index = index_.Get();
  const StaticFile* file = index->Find(path);
  const bool redirects = file == nullptr && index->IsDirectory(path);
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if ((file != nullptr || redirects) && !reads) {
    return {.status = 405, .headers = {{"Allow", "GET, HEAD"}}};
  }
  if (file != nullptr) return Send(request, *file, 200);
  if (redirects) {
    // Links of its page are relative to the directory.
    return {.status = 301, .headers = {{"Location", absl::StrCat(ToAbsl(path), "/")}}};
  }
  const StaticFile* page = reads ? index->NotFoundPage(path) : nullptr;
  return page == nullptr ? theirs : Send(request, *page, 404);
}

HttpResponse StaticFiles::Send(const HttpRequest& request, const StaticFile& file,
                               int status) const {
  HttpResponse response;
  response.status = status;
  // A browser asks each time, and mostly hears that nothing has changed.
  response.headers = {{"ETag", file.tag},
                      {"Cache-Control", "no-cache"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Content-Security-Policy", kContentSecurityPolicy},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cross-Origin-Resource-Policy", "same-origin"}};
  const auto known = request.Header("If-None-Match");
  if (status == 200 && known && NamesTag(*known, file.tag, /*weak=*/true)) {
    response.status = 304;
    return response;
  }
  response.headers.emplace_back("Content-Type", file.content_type);
  if (file.bytes->size() <= kPieceBytes) {
    response.body = *file.bytes;
    return response;
  }
  response.content_length = static_cast<int64_t>(file.bytes->size());
  if (request.method != "HEAD") {
    response.stream = std::make_shared<Body>(file.bytes, *threads_[request.thread_index]);
  }
  return response;
}

}  // namespace covet::edge
