#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "covet/files/v1/files.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "services/files/domain/records.h"

namespace covet::files {

inline constexpr int64_t kDefaultChunkBytes = 256 << 10;
// Bounds what an upload's account of its chunks can take.
inline constexpr int64_t kMaxChunks = 1'000'000;
inline constexpr size_t kMaxMetadataBytes = 64 << 10;

// What `start` asks for, without user and ids; INVALID_ARGUMENT names the field that is wrong.
absl::StatusOr<UploadRecord> CheckStart(v1::StartUpload start, int64_t max_chunk_bytes,
                                        int json_depth);

// CONFLICT unless both are the same upload.
absl::Status SameStart(const UploadRecord& known, const UploadRecord& again);

// `type/subtype`, perhaps with parameters, in characters that a header may hold (RFC 9110 section
// 8.3.1, without quoted values).
bool IsMediaType(std::string_view text);

void SetTime(int64_t unix_ms, google::protobuf::Timestamp* out);

}  // namespace covet::files
