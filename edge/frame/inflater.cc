#include "edge/frame/inflater.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

namespace covet::edge {
namespace {

constexpr int kRawWindowBits = -15;
constexpr size_t kMinCapacity = 4 << 10;
// What the sender has left out.
constexpr std::string_view kTail("\0\0\xff\xff", 4);
// In z_stream::data_type: inflate has stopped between two blocks.
constexpr int kBetweenBlocks = 128;

class Inflater {
 public:
  Inflater() {
    if (inflateInit2(&stream_, kRawWindowBits) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  InflateResult Run(std::string_view in, size_t max_bytes, std::string* out) {
    inflateReset(&stream_);
    max_bytes_ = max_bytes;
    size_ = 0;
    // One byte more than allowed tells a message that is too large.
    out->resize(std::min(std::max(4 * in.size(), kMinCapacity), max_bytes + 1));
    InflateResult result = Feed(in, out);
    if (result == InflateResult::kDone) result = Feed(kTail, out);
    if (result == InflateResult::kDone && (stream_.data_type & kBetweenBlocks) == 0) {
      result = InflateResult::kMalformed;
    }
    out->resize(size_);
    return result;
  }

 private:
  InflateResult Feed(std::string_view in, std::string* out) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    while (true) {
      if (size_ == out->size()) out->resize(std::min(2 * size_, max_bytes_ + 1));
      stream_.next_out = reinterpret_cast<Bytef*>(out->data() + size_);
      stream_.avail_out = static_cast<uInt>(out->size() - size_);
      const int status = inflate(&stream_, Z_SYNC_FLUSH);
      size_ = out->size() - stream_.avail_out;
      if (size_ > max_bytes_) return InflateResult::kTooLarge;
      if (status == Z_STREAM_END) {
        // A sender may end with a final block (RFC 7692 section 7.2.3.5); others may follow it.
        if (stream_.avail_in == 0) return InflateResult::kDone;
        inflateReset(&stream_);
        continue;
      }
      if (status != Z_OK && status != Z_BUF_ERROR) return InflateResult::kMalformed;
      if (stream_.avail_in == 0 && stream_.avail_out > 0) return InflateResult::kDone;
    }
  }

  z_stream stream_ = {};
  size_t max_bytes_ = 0;
  size_t size_ = 0;
};

}  // namespace

InflateResult Inflate(std::string_view in, size_t max_bytes, std::string* out) {
  if (in.size() > std::numeric_limits<uInt>::max()) return InflateResult::kTooLarge;
  thread_local Inflater inflater;
  return inflater.Run(in, max_bytes, out);
}

}  // namespace covet::edge
