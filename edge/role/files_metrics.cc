#include "edge/role/files_metrics.h"

#include <atomic>
#include <cstdint>

namespace covet::edge {

void AddFilesMetrics(metrics::Registry& registry,
                     const std::vector<std::unique_ptr<EdgeWorker>>& workers,
                     const FileDownloads& downloads,
                     std::vector<metrics::CallbackRegistration>* out) {
  const auto uploads = [&workers](Counter UploadCounters::*member) {
    return [&workers, member] {
      uint64_t sum = 0;
      for (const auto& worker : workers) sum += (worker->uploads->counters().*member).value();
      return static_cast<double>(sum);
    };
  };
  const auto reads = [&downloads](std::atomic<int64_t> DownloadCounters::*member) {
    return [&downloads, member] {
      return static_cast<double>((downloads.counters().*member).load(std::memory_order_relaxed));
    };
  };
  out->push_back(registry.AddCallbackGauge("covet_edge_uploads", "Uploads that sessions have open.",
                                           {}, uploads(&UploadCounters::open)));
  const auto count = [&](const char* name, const char* help, std::function<double()> read,
                         const metrics::Labels& labels = {}) {
    out->push_back(registry.AddCallbackCounter(name, help, labels, std::move(read)));
  };
  count("covet_edge_chunks_total", "Chunks of uploads handed to files.",
        uploads(&UploadCounters::chunks));
  count("covet_edge_chunk_bytes_total", "Bytes of those chunks.",
        uploads(&UploadCounters::chunk_bytes));
  count("covet_edge_upload_windows_full_total",
        "Times that a client was not read because the window of an upload was full.",
        uploads(&UploadCounters::windows_full));
  count("covet_edge_upload_streams_broken_total",
        "Streams of uploads to files that broke and were opened anew.",
        uploads(&UploadCounters::streams_broken));
  out->push_back(registry.AddCallbackGauge("covet_edge_downloads", "Downloads under way.", {},
                                           reads(&DownloadCounters::open)));
  count("covet_edge_download_bytes_total", "Bytes of files handed to sockets.",
        reads(&DownloadCounters::bytes));
  constexpr char kRequests[] = "covet_edge_download_requests_total";
  constexpr char kHelp[] = "Requests for files, by outcome; a body that breaks off counts again.";
  count(kRequests, kHelp, reads(&DownloadCounters::sent), {{"outcome", "sent"}});
  count(kRequests, kHelp, reads(&DownloadCounters::unchanged), {{"outcome", "unchanged"}});
  count(kRequests, kHelp, reads(&DownloadCounters::refused), {{"outcome", "refused"}});
  count(kRequests, kHelp, reads(&DownloadCounters::failed), {{"outcome", "failed"}});
}

}  // namespace covet::edge
