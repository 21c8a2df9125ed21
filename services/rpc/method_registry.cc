#include "services/rpc/method_registry.h"

#include <utility>

namespace covet::rpc {

MethodRegistry::MethodRegistry(const std::vector<MethodPtr>& methods,
                               std::vector<AwaitedNames> awaited, std::vector<NameClash>* clashes)
    : awaited_(std::move(awaited)) {
  for (const MethodPtr& method : methods) {
    bool named = false;
    for (const std::string* name : {&method->name, &method->grpc_method}) {
      if (name->empty()) continue;
      const auto [it, added] = by_name_.emplace(*name, method);
      if (!added) {
        clashes->push_back({*name, it->second->backend, method->backend});
      } else if (!named) {
        methods_.emplace(*name, method);
        named = true;
      }
    }
  }
}

const MethodPtr* MethodRegistry::Find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &it->second;
}

const std::string* MethodRegistry::Awaited(std::string_view name) const {
  for (const AwaitedNames& awaited : awaited_) {
    if (name.starts_with(awaited.beginning)) return &awaited.backend;
  }
  return nullptr;
}

}  // namespace covet::rpc
