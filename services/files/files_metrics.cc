#include "services/files/files_metrics.h"

#include <string>

namespace covet::files {

FilesMetrics::FilesMetrics(metrics::Registry* registry) {
  const auto counter = [&](const char* name, const char* help, Value value,
                           const metrics::Labels& labels = {}, double unit = 1) {
    registrations_.push_back(registry->AddCallbackCounter(
        name, help, labels,
        [values = values_, value, unit] { return static_cast<double>((*values)[value]) * unit; }));
  };
  const auto gauge = [&](const char* name, const char* help, Value value) {
    registrations_.push_back(registry->AddCallbackGauge(name, help, {}, [values = values_, value] {
      return static_cast<double>((*values)[value]);
    }));
  };
  counter("covet_files_uploads_started_total", "Uploads begun.", kStarted);
  counter("covet_files_uploads_resumed_total", "Times that an upload was gone on with.", kResumed);
  constexpr char kEnded[] = "covet_files_uploads_ended_total";
  constexpr char kEndedHelp[] = "Uploads ended, by how.";
  counter(kEnded, kEndedHelp, kCompleted, {{"outcome", "completed"}});
  counter(kEnded, kEndedHelp, kCancelled, {{"outcome", "cancelled"}});
  counter(kEnded, kEndedHelp, kExpired, {{"outcome", "expired"}});
  counter(kEnded, kEndedHelp, kFailed, {{"outcome", "failed"}});
  counter("covet_files_uploads_refused_total", "Starts, resumes and cancels that were refused.",
          kRefused);
  constexpr char kChunk[] = "covet_files_chunks_total";
  constexpr char kChunkHelp[] = "Chunks, by what became of them.";
  counter(kChunk, kChunkHelp, kChunks, {{"outcome", "stored"}});
  counter(kChunk, kChunkHelp, kChunksRepeated, {{"outcome", "repeated"}});
  counter(kChunk, kChunkHelp, kChunksRefused, {{"outcome", "refused"}});
  counter("covet_files_received_bytes_total", "Bytes of chunks stored.", kBytes);
  constexpr char kFile[] = "covet_files_processed_total";
  constexpr char kFileHelp[] = "Files whose processing ended, by how.";
  counter(kFile, kFileHelp, kProcessed, {{"outcome", "completed"}});
  counter(kFile, kFileHelp, kProcessingFailed, {{"outcome", "failed"}});
  counter("covet_files_deleted_total", "Files deleted or expired.", kDeleted);
  counter("covet_files_commits_total", "Commits of the metadata.", kCommits);
  counter("covet_files_syncs_total", "Times that a file's data was synced.", kSyncs);
  counter("covet_files_sync_seconds_total", "Time spent in syncing files' data.", kSyncMicros, {},
          1e-6);
  counter("covet_files_reread_bytes_total",
          "Bytes read again for a digest because chunks came out of order.", kReread);
  gauge("covet_files_open_files", "Files of uploads that are held open.", kOpenFiles);
  gauge("covet_files_uploads", "Uploads with a caller, or with something under way.", kOpenUploads);
  gauge("covet_files_queue_bytes", "Bytes of chunks on their way to the disk.", kQueuedBytes);
  gauge("covet_files_queue_budget_bytes", "Bytes that may be on their way to the disk.",
        kQueueBudget);
  gauge("covet_files_files", "Files kept.", kFiles);
}

void FilesMetrics::Copy(const FilesCore& core, const DiskBlobsCounters& disk,
                        const limits::MemoryBudget& memory) {
  const FilesCounters& counters = core.counters();
  Values& values = *values_;
  values[kStarted] = counters.uploads_started;
  values[kResumed] = counters.uploads_resumed;
  values[kCompleted] = counters.uploads_completed;
  values[kCancelled] = counters.uploads_cancelled;
  values[kExpired] = counters.uploads_expired;
  values[kFailed] = counters.uploads_failed;
  values[kRefused] = counters.uploads_refused;
  values[kChunks] = counters.chunks_stored;
  values[kChunksRepeated] = counters.chunks_repeated;
  values[kChunksRefused] = counters.chunks_refused;
  values[kBytes] = counters.bytes_stored;
  values[kProcessed] = counters.files_processed;
  values[kProcessingFailed] = counters.files_failed;
  values[kDeleted] = counters.files_deleted;
  values[kCommits] = counters.commits;
  values[kSyncs] = disk.syncs.load();
  values[kSyncMicros] = disk.sync_micros.load();
  values[kReread] = disk.reread_bytes.load();
  values[kOpenFiles] = disk.open_files.load();
  values[kOpenUploads] = static_cast<int64_t>(core.open_uploads());
  values[kQueuedBytes] = memory.used();
  values[kQueueBudget] = memory.limit();
  values[kFiles] = counters.files;
}

}  // namespace covet::files
