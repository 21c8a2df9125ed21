#pragma once

#include <string>

namespace google::protobuf {
class Descriptor;
}

namespace covet::protojson {

// Which side of a method a schema describes.
enum class SchemaUse { kParams, kResult };

// A JSON Schema (draft 2020-12) of what a MessageCodec reads (kParams, with proto field names: the
// canonical spelling) or writes (kResult), as compact JSON text. Message types other than the
// outermost stand in `$defs` by full name, so recursion is well. Comments of the source, where the
// descriptors carry them, are descriptions.
std::string JsonSchemaOf(const google::protobuf::Descriptor& message, SchemaUse use);

}  // namespace covet::protojson
