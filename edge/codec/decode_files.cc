// Bodies of file uploads.
#include "edge/codec/field_reader.h"

namespace covet::edge::codec {

bool DecodeBody(FieldReader& in, ondemand::object data, FileUploadStartMessage* out) {
  constexpr size_t kMaxMetadata = 64 * 1024;
  constexpr FieldSpec kFields[] = {{"filename", "string"},    {"size", "integer"},
                                   {"chunk_size", "integer"}, {"mimetype", "string"},
                                   {"sha256", "string"},      {"metadata", "object"}};
  return in.Each(data, "data", kFields, 3, [&](size_t field, ondemand::value& value) {
    switch (field) {
      case 0:
        return in.String(value, "data.filename", 1, 255, &out->filename);
      case 1:
        return in.Integer(value, "data.size", 0, kMaxInteger, &out->size);
      case 2:
        return in.Integer(value, "data.chunk_size", 1, kMaxInteger, &out->chunk_size);
      case 3:
        return in.String(value, "data.mimetype", 1, 255, &out->mimetype);
      case 4:
        return in.Sha256(value, "data.sha256", &out->sha256);
      default:
        return in.RawObject(value, "data.metadata", kMaxMetadata, &out->metadata);
    }
  });
}

bool DecodeBody(FieldReader& in, ondemand::object data, FileChunkMessage* out) {
  constexpr FieldSpec kFields[] = {{"upload_id", "string"},
                                   {"chunk_index", "integer"},
                                   {"checksum", "string"},
                                   {"data", "base64 string"}};
  const bool text = !out->raw;
  return in.Each(data, "data", kFields, text ? 4 : 3, [&](size_t field, ondemand::value& value) {
    switch (field) {
      case 0:
        return in.Id(value, "data.upload_id", &out->upload_id);
      case 1:
        return in.Integer(value, "data.chunk_index", 0, kMaxInteger, &out->chunk_index);
      case 2:
        return in.Sha256(value, "data.checksum", &out->checksum);
      default: {
        if (!text) {
          return in.WrongType("data.data", "nothing: the chunk follows the envelope", value);
        }
        if (!in.Text(value, "data.data", &out->data)) return false;
        const size_t max_base64 = (in.limits().chunk + 2) / 3 * 4;
        return out->data.size() <= max_base64 ||
               in.TooLarge("data.data", max_base64, out->data.size());
      }
    }
  });
}

}  // namespace covet::edge::codec
