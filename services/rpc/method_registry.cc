#include "services/rpc/method_registry.h"

namespace covet::rpc {

MethodRegistry::MethodRegistry(const std::vector<MethodPtr>& methods,
                               std::vector<NameClash>* clashes) {
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

}  // namespace covet::rpc
