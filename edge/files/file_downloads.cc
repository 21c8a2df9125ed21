#include "edge/files/file_downloads.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/string_map.h"
#include "common/errors/error.h"
#include "edge/files/file_response.h"

namespace covet::edge {
namespace {

constexpr std::string_view kPrefix = "/files/";

HttpResponse Refuse(DownloadCounters& counters, int status, std::string_view error) {
  ++(status < 500 ? counters.refused : counters.failed);
  HttpResponse response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "application/json");
  response.headers.emplace_back("Cache-Control", "no-store");
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  response.body = absl::StrCat("{\"error\":\"", ToAbsl(error), "\"}\n");
  return response;
}

// A member of a query that needs no unescaping; empty if there is none.
std::string_view QueryMember(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view member = query.substr(0, end);
    if (member.starts_with(name) && member.size() > name.size() && member[name.size()] == '=') {
      return member.substr(name.size() + 1);
    }
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return {};
}

// Ids and signatures are base64url.
bool IsPlain(std::string_view text) {
  constexpr size_t kMax = 128;
  return !text.empty() && text.size() <= kMax && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
}

std::optional<std::string> Copy(const HttpRequest& request, std::string_view name) {
  const auto value = request.Header(name);
  return value ? std::optional<std::string>(*value) : std::nullopt;
}

// Counts a download from its request to its end.
class Running {
 public:
  explicit Running(std::atomic<int64_t>& count) : count_(count) { ++count_; }
  Running(const Running& other) : Running(other.count_) {}
  Running& operator=(const Running&) = delete;
  ~Running() { --count_; }

 private:
  std::atomic<int64_t>& count_;
};

// A file's bytes on their way to the socket.
class Body final : public HttpBody {
 public:
  Body(std::shared_ptr<FileBody> file, DownloadCounters& counters, const Running& running)
      : file_(std::move(file)), counters_(counters), running_(running) {
    ++counters_.open;
  }
  ~Body() override { --counters_.open; }

  void Next(std::function<void(std::optional<std::string>)> done) override {
    file_->Read([&counters = counters_, done = std::move(done)](absl::StatusOr<std::string> data) {
      if (!data.ok()) {
        ++counters.failed;
        return done(std::nullopt);
      }
      counters.bytes += static_cast<int64_t>(data->size());
      done(*std::move(data));
    });
  }
  void Cancel() override { file_->Cancel(); }

 private:
  const std::shared_ptr<FileBody> file_;
  DownloadCounters& counters_;
  const Running running_;
};

class Lookup final : public HttpPending, public std::enable_shared_from_this<Lookup> {
 public:
  Lookup(FilesGateway& gateway, EdgeThread& thread, DownloadCounters& counters,
         std::atomic<int64_t>& running, std::string file_id, files::v1::LinkProof link,
         FileConditions conditions)
      : gateway_(gateway),
        thread_(thread),
        counters_(counters),
        running_(running),
        file_id_(std::move(file_id)),
        link_(std::move(link)),
        conditions_(std::move(conditions)) {}

  void Start(std::function<void(HttpResponse)> done) override {
    done_ = std::move(done);
    gateway_.GetByLink(thread_, file_id_, link_,
                       [self = shared_from_this()](const absl::StatusOr<files::v1::File>& file) {
                         if (!self->done_) return;
                         std::exchange(self->done_, nullptr)(self->Answer(file));
                       });
  }
  void Cancel() override { done_ = nullptr; }

 private:
  HttpResponse Answer(const absl::StatusOr<files::v1::File>& file) {
    if (!file.ok()) {
      switch (CodeOf(file.status())) {
        case ErrorCode::kPermissionDenied:
          return Refuse(counters_, 403, "the link does not hold");
        case ErrorCode::kNotFound:
          return Refuse(counters_, 404, "not found");
        default:
          return Refuse(counters_, 503, "files cannot be reached");
      }
    }
    if (file->processing_status() == files::v1::PROCESSING_STATUS_FAILED) {
      return Refuse(counters_, 409, "the file's processing failed");
    }
    FileResponse plan = PlanFileResponse({.filename = file->filename(),
                                          .mimetype = file->mimetype(),
                                          .sha256 = file->sha256(),
                                          .size = file->size(),
                                          .created_s = file->created_at().seconds()},
                                         conditions_);
    ++(plan.status == 304   ? counters_.unchanged
       : plan.status >= 400 ? counters_.refused
                            : counters_.sent);
    HttpResponse response;
    response.status = plan.status;
    response.headers = std::move(plan.headers);
    response.content_length = plan.length;
    if (plan.length > 0 && !conditions_.head) {
      response.stream = std::make_shared<Body>(
          gateway_.Open(thread_, file_id_, plan.offset, plan.length), counters_, running_);
    }
    return response;
  }

  FilesGateway& gateway_;
  EdgeThread& thread_;
  DownloadCounters& counters_;
  const Running running_;
  const std::string file_id_;
  const files::v1::LinkProof link_;
  const FileConditions conditions_;
  std::function<void(HttpResponse)> done_;
};

}  // namespace

HttpResponse FileDownloads::OnRequest(const HttpRequest& request) {
  const size_t mark = request.target.find('?');
  const std::string_view path = request.target.substr(0, mark);
  if (!path.starts_with(kPrefix)) return other_.OnRequest(request);
  const bool head = request.method == "HEAD";
  if (!head && request.method != "GET") {
    HttpResponse response = Refuse(counters_, 405, "GET and HEAD only");
    response.headers.emplace_back("Allow", "GET, HEAD");
    return response;
  }
  if (draining_.load(std::memory_order_relaxed)) return Refuse(counters_, 503, "draining");
  const std::string_view query =
      mark == std::string_view::npos ? std::string_view() : request.target.substr(mark + 1);
  const std::string_view expires = QueryMember(query, "expires");
  const std::string_view signature = QueryMember(query, "signature");
  const std::string_view file_id = path.substr(kPrefix.size());
  if (!IsPlain(file_id)) return Refuse(counters_, 404, "not found");
  files::v1::LinkProof link;
  int64_t expires_s = 0;
  const auto parsed = std::from_chars(expires.data(), expires.data() + expires.size(), expires_s);
  if (!IsPlain(signature) || expires.empty() || parsed.ec != std::errc() ||
      parsed.ptr != expires.data() + expires.size()) {
    return Refuse(counters_, 403, "the link does not hold");
  }
  link.set_expires(expires_s);
  link.set_signature(std::string(signature));
  FileConditions conditions;
  conditions.head = head;
  conditions.range = Copy(request, "Range");
  conditions.if_match = Copy(request, "If-Match");
  conditions.if_none_match = Copy(request, "If-None-Match");
  conditions.if_modified_since = Copy(request, "If-Modified-Since");
  conditions.if_unmodified_since = Copy(request, "If-Unmodified-Since");
  conditions.if_range = Copy(request, "If-Range");
  HttpResponse response;
  response.pending =
      std::make_shared<Lookup>(gateway_, *threads_[request.thread_index], counters_, running_,
                               std::string(file_id), std::move(link), std::move(conditions));
  return response;
}

}  // namespace covet::edge
