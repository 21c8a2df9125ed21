#include "common/backends/method_table.h"

#include <set>
#include <utility>

#include "absl/strings/ascii.h"

namespace covet::backends {
namespace {

// The comment before a declaration, else the one behind it.
std::string CommentOf(const google::protobuf::MethodDescriptor& method) {
  google::protobuf::SourceLocation location;
  if (!method.GetSourceLocation(&location)) return "";
  const std::string& comment =
      location.leading_comments.empty() ? location.trailing_comments : location.leading_comments;
  return std::string(absl::StripAsciiWhitespace(comment));
}

}  // namespace

std::string SnakeCase(std::string_view method) {
  const auto is_upper = [&](size_t i) { return absl::ascii_isupper(method[i]); };
  std::string snake;
  for (size_t i = 0; i < method.size(); ++i) {
    // A capital begins a word after a small letter or digit, or before a small letter.
    const bool begins =
        is_upper(i) && i > 0 && method[i - 1] != '_' &&
        (!is_upper(i - 1) || (i + 1 < method.size() && absl::ascii_islower(method[i + 1])));
    if (begins) snake.push_back('_');
    snake.push_back(absl::ascii_tolower(method[i]));
  }
  return snake;
}

MethodTable::MethodTable(const config::v1::BackendConfig& config,
                         std::shared_ptr<const protojson::Schema> schema, uint64_t generation)
    : schema_(std::move(schema)), generation_(generation) {
  for (const auto& offered : config.services()) {
    const auto* const service = schema_->FindService(offered.service());
    if (service == nullptr) {
      missing_.push_back(offered.service());
      continue;
    }
    std::set<std::string> idempotent(offered.idempotent_methods().begin(),
                                     offered.idempotent_methods().end());
    for (int i = 0; i < service->method_count(); ++i) {
      const auto& found = *service->method(i);
      const auto* const request = schema_->FindMessage(found.input_type()->full_name());
      const auto* const response = schema_->FindMessage(found.output_type()->full_name());
      Method method{.name = service->full_name() + "/" + found.name(),
                    .path = "/" + service->full_name() + "/" + found.name(),
                    .rpc_name = "",
                    .description = CommentOf(found),
                    .descriptor = &found,
                    .request = *request,
                    .response = *response,
                    .client_streaming = found.client_streaming(),
                    .server_streaming = found.server_streaming(),
                    .idempotent = idempotent.erase(found.name()) > 0};
      if (!offered.prefix().empty()) {
        method.rpc_name = offered.prefix() + "." + SnakeCase(found.name());
      }
      methods_.push_back(std::move(method));
    }
    for (const std::string& name : idempotent) missing_.push_back(offered.service() + "/" + name);
  }
  for (const Method& method : methods_) {
    if (!method.rpc_name.empty()) by_name_.emplace(method.rpc_name, &method);
    by_name_.emplace(method.name, &method);
  }
}

const Method* MethodTable::Find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

MethodRef RefTo(const std::shared_ptr<const MethodTable>& table, const Method* method) {
  return {table, method};
}

}  // namespace covet::backends
