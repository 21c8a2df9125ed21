"""Checks that every service, method, message, field, enum and enum value of the public protos has a comment.

Usage: proto_comments.py DESCRIPTOR_SET, made by protoc with --include_source_info.
"""

import sys

from google.protobuf import descriptor_pb2

# Field numbers that a path in SourceCodeInfo is made of (descriptor.proto).
FILE_MESSAGE, FILE_ENUM, FILE_SERVICE, FILE_EXTENSION = 4, 5, 6, 7
MESSAGE_FIELD, MESSAGE_NESTED, MESSAGE_ENUM, MESSAGE_ONEOF = 2, 3, 4, 8
ENUM_VALUE, SERVICE_METHOD = 2, 2


def enum_elements(enum, path, prefix):
    yield path, prefix + enum.name
    for i, value in enumerate(enum.value):
        yield (*path, ENUM_VALUE, i), f"{prefix}{enum.name}.{value.name}"


def message_elements(message, path, prefix):
    if message.options.map_entry:
        return
    name = prefix + message.name
    yield path, name
    for i, field in enumerate(message.field):
        yield (*path, MESSAGE_FIELD, i), f"{name}.{field.name}"
    synthetic = {f.oneof_index for f in message.field if f.proto3_optional}
    for i, oneof in enumerate(message.oneof_decl):
        if i not in synthetic:
            yield (*path, MESSAGE_ONEOF, i), f"{name}.{oneof.name}"
    for i, nested in enumerate(message.nested_type):
        yield from message_elements(nested, (*path, MESSAGE_NESTED, i), name + ".")
    for i, enum in enumerate(message.enum_type):
        yield from enum_elements(enum, (*path, MESSAGE_ENUM, i), name + ".")


def file_elements(file):
    for i, message in enumerate(file.message_type):
        yield from message_elements(message, (FILE_MESSAGE, i), "")
    for i, enum in enumerate(file.enum_type):
        yield from enum_elements(enum, (FILE_ENUM, i), "")
    for i, service in enumerate(file.service):
        yield (FILE_SERVICE, i), service.name
        for j, method in enumerate(service.method):
            yield (FILE_SERVICE, i, SERVICE_METHOD, j), f"{service.name}.{method.name}"


def uncommented(file):
    locations = {tuple(location.path): location for location in file.source_code_info.location}
    for path, name in file_elements(file):
        location = locations.get(path)
        if location is None or not (location.leading_comments.strip() or location.trailing_comments.strip()):
            line = location.span[0] + 1 if location else 0
            yield f"proto/{file.name}:{line}: {name} has no comment"


def main():
    descriptors = descriptor_pb2.FileDescriptorSet()
    with open(sys.argv[1], "rb") as source:
        descriptors.ParseFromString(source.read())
    found = [line for file in descriptors.file if file.name.startswith("covet/") for line in uncommented(file)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
