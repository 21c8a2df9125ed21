#pragma once

#include <map>
#include <string>
#include <vector>

#include "google/protobuf/message.h"

namespace YAML {
class Node;
struct Mark;
}  // namespace YAML

namespace covet::config {

// Where each key was last set, by its path (`edge.listen`, `rooms.patterns[0].pattern`,
// `roles.admin`): `covet.yaml:12:3`, or the name of an override.
using Locations = std::map<std::string, std::string>;

// Reads YAML into messages by their descriptors. Every problem becomes one line `location: key:
// what is wrong`; reading goes on after it, so that all of them are found at once. Values that are
// set replace what the message holds: lists as a whole, sections field by field, maps key by key.
// Throws nothing. Not thread-safe.
class YamlReader {
 public:
  // `source` names a file or an override. `locations` may be null; both pointers must outlive the
  // reader.
  YamlReader(std::string source, Locations* locations, std::vector<std::string>* errors);

  // Reads a file's text. An empty one sets nothing.
  void ReadFile(const std::string& text, google::protobuf::Message* message);
  // Reads the value of one key, given as a path with dots, as overrides have it.
  void ReadPath(const std::vector<std::string>& path, const std::string& text,
                google::protobuf::Message* message);
  // Reads a value into one field.
  void ReadFieldText(const std::string& text, const google::protobuf::FieldDescriptor* field,
                     const std::string& key, google::protobuf::Message* message);

 private:
  using Message = google::protobuf::Message;
  using Field = google::protobuf::FieldDescriptor;

  void ReadMessage(const YAML::Node& node, const std::string& key, Message* message);
  void ReadField(const YAML::Node& node, const Field* field, const std::string& key,
                 Message* message);
  void ReadList(const YAML::Node& node, const Field* field, const std::string& key,
                Message* message);
  void ReadMap(const YAML::Node& node, const Field* field, const std::string& key,
               Message* message);
  // Reads one value into a singular field, or adds it to a repeated one.
  void ReadValue(const YAML::Node& node, const Field* field, const std::string& key,
                 Message* message);
  void ReadScalar(const YAML::Node& node, const Field* field, const std::string& key,
                  Message* message);
  void ReadMessageValue(const YAML::Node& node, const std::string& key, Message* value);
  // The map entry with this key, made if missing.
  Message* MapEntry(const Field* field, const std::string& map_key, bool fresh, Message* message);
  // The section of a field that is neither repeated nor scalar.
  Message* Section(const Field* field, Message* message);

  std::string Place(const YAML::Mark& mark) const;
  void Fail(const YAML::Node& node, const std::string& key, const std::string& what);
  void UnknownKey(const std::string& place, const std::string& key, const std::string& name,
                  const google::protobuf::Descriptor* type);

  const std::string source_;
  bool has_lines_ = false;
  Locations* const locations_;
  std::vector<std::string>* const errors_;
};

// Of `candidates` the one that `name` was probably meant to be; empty if none is near.
std::string NearestName(const std::string& name, const std::vector<std::string>& candidates);

}  // namespace covet::config
