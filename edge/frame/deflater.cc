#include "edge/frame/deflater.h"

#include <zlib.h>

#include <cstddef>
#include <limits>
#include <new>

namespace covet::edge {
namespace {

// Z_BEST_SPEED takes a third of the default level's time on JSON of a few KiB, for 5 % more bytes.
constexpr int kLevel = Z_BEST_SPEED;
constexpr int kRawWindowBits = -15;
constexpr int kMemLevel = 8;
constexpr size_t kFlushMarker = 4;

class Compressor {
 public:
  Compressor() {
    if (deflateInit2(&stream_, kLevel, Z_DEFLATED, kRawWindowBits, kMemLevel, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~Compressor() { deflateEnd(&stream_); }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  // Returns the bytes written to `out`, or 0 if `capacity` did not suffice.
  size_t Run(std::string_view in, char* out, size_t capacity) {
    deflateReset(&stream_);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(capacity);
    // A full buffer may hide a flush that is not complete (zlib.h, deflate).
    if (deflate(&stream_, Z_SYNC_FLUSH) != Z_OK || stream_.avail_out == 0) return 0;
    return capacity - stream_.avail_out;
  }

 private:
  z_stream stream_ = {};
};

}  // namespace

bool DeflateMessage(std::string_view in, std::string* out) {
  if (in.size() <= kFlushMarker || in.size() > std::numeric_limits<uInt>::max()) return false;
  thread_local Compressor compressor;
  const size_t before = out->size();
  out->resize(before + in.size());
  const size_t size = compressor.Run(in, out->data() + before, in.size());
  if (size <= kFlushMarker) {
    out->resize(before);
    return false;
  }
  out->resize(before + size - kFlushMarker);
  return true;
}

}  // namespace covet::edge
