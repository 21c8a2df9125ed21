// Tells ThreadSanitizer what absl::Mutex and absl::CondVar order. Debian's Abseil is built without
// TSan and synchronises by futex, so TSan would see none of it, in Covet as well as inside gRPC,
// and would report everything that a mutex guards.
//
// Linked into each program of the TSan build, these definitions come before those of
// libabsl_synchronization.so for every library of the process; each calls the real one.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <type_traits>

#include "absl/synchronization/mutex.h"

extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);

#define COVET_STRING2(x) #x
#define COVET_STRING(x) COVET_STRING2(x)
// The mangled name's part for absl::<inline namespace>::, with the length that mangling wants.
#define COVET_NAMESPACE COVET_STRING(ABSL_OPTION_INLINE_NAMESPACE_NAME)

namespace {

template <typename Function>
Function* Real(const char* name_after_namespace) {
  char name[256];
  snprintf(name, sizeof(name), "_ZN4absl%zu%s%s", sizeof(COVET_NAMESPACE) - 1, COVET_NAMESPACE,
           name_after_namespace);
  void* symbol = dlsym(RTLD_NEXT, name);
  if (symbol == nullptr) {
    fprintf(stderr, "no %s in libabsl_synchronization\n", name);
    abort();
  }
  return reinterpret_cast<Function*>(symbol);
}

using Void = void(absl::Mutex*);
using Bool = bool(absl::Mutex*);
using Waiting = void(absl::Mutex*, const absl::Condition&);

// The locking functions of a mutex call each other inside the library, where nothing interposes, so
// no acquisition is told twice.
template <typename Result, typename... Arguments>
Result Acquired(Result (*real)(absl::Mutex*, Arguments...), absl::Mutex* mutex,
                std::type_identity_t<Arguments>... arguments) {
  if constexpr (std::is_void_v<Result>) {
    real(mutex, arguments...);
    __tsan_acquire(mutex);
  } else {
    Result result = real(mutex, arguments...);
    __tsan_acquire(mutex);
    return result;
  }
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

#define COVET_REAL(type, name) static type* real = Real<type>(name)

void Mutex::Lock() {
  COVET_REAL(Void, "5Mutex4LockEv");
  Acquired(real, this);
}
bool Mutex::TryLock() {
  COVET_REAL(Bool, "5Mutex7TryLockEv");
  return Acquired(real, this);
}
void Mutex::ReaderLock() {
  COVET_REAL(Void, "5Mutex10ReaderLockEv");
  Acquired(real, this);
}
bool Mutex::ReaderTryLock() {
  COVET_REAL(Bool, "5Mutex13ReaderTryLockEv");
  return Acquired(real, this);
}
void Mutex::Unlock() {
  COVET_REAL(Void, "5Mutex6UnlockEv");
  __tsan_release(this);
  real(this);
}
void Mutex::ReaderUnlock() {
  COVET_REAL(Void, "5Mutex12ReaderUnlockEv");
  __tsan_release(this);
  real(this);
}
void Mutex::LockWhen(const Condition& condition) {
  COVET_REAL(Waiting, "5Mutex8LockWhenERKNS0_9ConditionE");
  Acquired(real, this, condition);
}
void Mutex::ReaderLockWhen(const Condition& condition) {
  COVET_REAL(Waiting, "5Mutex14ReaderLockWhenERKNS0_9ConditionE");
  Acquired(real, this, condition);
}
bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  using Type = bool(Mutex*, const Condition&, Duration);
  COVET_REAL(Type, "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  return Acquired(real, this, condition, timeout);
}
bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  using Type = bool(Mutex*, const Condition&, Time);
  COVET_REAL(Type, "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  return Acquired(real, this, condition, deadline);
}
void Mutex::Await(const Condition& condition) {
  COVET_REAL(Waiting, "5Mutex5AwaitERKNS0_9ConditionE");
  __tsan_release(this);
  Acquired(real, this, condition);
}
bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  using Type = bool(Mutex*, const Condition&, Duration);
  COVET_REAL(Type, "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  __tsan_release(this);
  return Acquired(real, this, condition, timeout);
}
bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  using Type = bool(Mutex*, const Condition&, Time);
  COVET_REAL(Type, "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  __tsan_release(this);
  return Acquired(real, this, condition, deadline);
}

void CondVar::Wait(Mutex* mutex) {
  using Type = void(CondVar*, Mutex*);
  COVET_REAL(Type, "7CondVar4WaitEPNS0_5MutexE");
  __tsan_release(mutex);
  real(this, mutex);
  __tsan_acquire(mutex);
}
bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  using Type = bool(CondVar*, Mutex*, Duration);
  COVET_REAL(Type, "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  __tsan_release(mutex);
  const bool expired = real(this, mutex, timeout);
  __tsan_acquire(mutex);
  return expired;
}
bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  using Type = bool(CondVar*, Mutex*, Time);
  COVET_REAL(Type, "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  __tsan_release(mutex);
  const bool expired = real(this, mutex, deadline);
  __tsan_acquire(mutex);
  return expired;
}

ABSL_NAMESPACE_END
}  // namespace absl
