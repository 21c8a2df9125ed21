#include "common/limits/memory_budget.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace covet::limits {
namespace {

constexpr int64_t kMaxBatchBytes = 64 * 1024;

size_t ThreadNumber() {
  static std::atomic<size_t> next{0};
  thread_local const size_t number = next.fetch_add(1, std::memory_order_relaxed);
  return number;
}

// Lowers `limit` to what the file says, if it says a number.
void LowerTo(const std::string& path, int64_t* limit) {
  std::ifstream file(path);
  std::string text;
  int64_t value;
  // v2 says "max" where there is no limit, v1 a number near 2^63.
  if (file >> text && absl::SimpleAtoi(text, &value) && value > 0) *limit = std::min(*limit, value);
}

}  // namespace

MemoryBudget::MemoryBudget(int64_t limit_bytes)
    : limit_(limit_bytes),
      high_(limit_bytes / 100 * 80 + limit_bytes % 100 * 80 / 100),
      critical_(limit_bytes / 100 * 95 + limit_bytes % 100 * 95 / 100),
      batch_(std::min(kMaxBatchBytes, limit_bytes / (64 * static_cast<int64_t>(kShards)))) {}

void MemoryBudget::Add(int64_t bytes) {
  std::atomic<int64_t>& pending = shards_[ThreadNumber() % kShards].pending;
  const int64_t sum = pending.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (sum > batch_ || sum < -batch_) {
    // Threads may share a shard; whatever is taken out here is what goes to the total.
    used_.fetch_add(pending.exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
  }
}

MemoryLevel MemoryBudget::level() const {
  const int64_t now = used();
  if (now > critical_) return MemoryLevel::kCritical;
  return now > high_ ? MemoryLevel::kHigh : MemoryLevel::kNormal;
}

int64_t MemoryBudget::excess() const { return std::max<int64_t>(used() - critical_, 0); }

MemoryCharge::MemoryCharge(MemoryBudget* budget, int64_t bytes) : budget_(budget) { Add(bytes); }

MemoryCharge::~MemoryCharge() { Release(bytes_); }

MemoryCharge::MemoryCharge(MemoryCharge&& other) noexcept
    : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}

MemoryCharge& MemoryCharge::operator=(MemoryCharge&& other) noexcept {
  if (this != &other) {
    Release(bytes_);
    budget_ = other.budget_;
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void MemoryCharge::Add(int64_t bytes) {
  if (bytes == 0 || budget_ == nullptr) return;
  bytes_ += bytes;
  budget_->Add(bytes);
}

int64_t DetectMemoryLimit(const std::string& root) {
  int64_t limit = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
  // A container sees its own cgroup at the mount's root, whatever path /proc names.
  LowerTo(root + "/sys/fs/cgroup/memory.max", &limit);
  LowerTo(root + "/sys/fs/cgroup/memory/memory.limit_in_bytes", &limit);
  std::ifstream cgroups(root + "/proc/self/cgroup");
  // Lines of `hierarchy:controllers:path` (cgroups(7)); 0 with no controllers is v2.
  for (std::string line; std::getline(cgroups, line);) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const bool v2 = parts[1].empty();
    if (!v2) {
      const std::vector<std::string> controllers = absl::StrSplit(parts[1], ',');
      if (std::find(controllers.begin(), controllers.end(), "memory") == controllers.end())
        continue;
    }
    const std::string mount = root + (v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory");
    const std::string file = v2 ? "/memory.max" : "/memory.limit_in_bytes";
    for (std::string path = parts[2]; path.size() > 1; path.erase(path.rfind('/'))) {
      LowerTo(mount + path + file, &limit);
      if (!absl::StartsWith(path, "/")) break;
    }
  }
  return limit;
}

}  // namespace covet::limits
