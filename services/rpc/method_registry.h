#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/string_map.h"
#include "services/rpc/method.h"

namespace covet::rpc {

// A name that was already taken.
struct NameClash {
  std::string name;
  std::string kept;     // Whose method has it.
  std::string refused;  // Whose method does not.
};

// A backend whose schema was not found yet, and what the names of its methods begin with.
struct AwaitedNames {
  std::string backend;
  std::string beginning;  // `<prefix>.` or `package.Service/`.
};

// All methods that can be called now, by either name. Immutable, thread-safe; made anew whenever a
// backend's methods change.
class MethodRegistry {
 public:
  MethodRegistry() = default;
  // A name belongs to the first method that has it; another method's claim is added to `clashes`.
  MethodRegistry(const std::vector<MethodPtr>& methods, std::vector<AwaitedNames> awaited,
                 std::vector<NameClash>* clashes);

  // By `<prefix>.<snake_case>` or `package.Service/Method`; null if there is none.
  const MethodPtr* Find(std::string_view name) const;
  // The backend that may have this method, once it is reached; null if none is awaited for it.
  const std::string* Awaited(std::string_view name) const;
  // By the name that people use: that with the prefix where there is one.
  const std::map<std::string, MethodPtr, std::less<>>& methods() const { return methods_; }

 private:
  StringMap<MethodPtr> by_name_;
  std::map<std::string, MethodPtr, std::less<>> methods_;
  std::vector<AwaitedNames> awaited_;
};

}  // namespace covet::rpc
