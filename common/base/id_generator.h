#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace covet {

// Random text for ids that must not be guessed or must not collide. Injected. Thread-safe.
class IdGenerator {
 public:
  virtual ~IdGenerator() = default;
  // 128 random bits as 22 characters of base64url after `prefix`, e.g. "sess_…".
  virtual std::string NewId(std::string_view prefix) = 0;
  // A random number over the whole range.
  virtual uint64_t Random64() = 0;
};

// Draws from OpenSSL's CSPRNG. Never destroyed.
IdGenerator& SystemIds();

// Ids of a seeded simulation or test: the same seed gives the same ids. Not thread-safe.
class SeededIds final : public IdGenerator {
 public:
  explicit SeededIds(uint64_t seed) : state_(seed) {}
  std::string NewId(std::string_view prefix) override;
  uint64_t Random64() override;

 private:
  uint64_t state_;
};

// Fresh ids of server messages: a random prefix per source and a counter, unique and cheap.
// Not thread-safe; one per thread.
class MessageIds {
 public:
  explicit MessageIds(IdGenerator& ids) : prefix_(ids.NewId("").substr(0, 10)) {}
  // Appends e.g. `m_4fJx90aQ2k-1a` to `out`.
  void AppendTo(std::string* out);

 private:
  std::string prefix_;
  uint64_t next_ = 1;
};

}  // namespace covet
