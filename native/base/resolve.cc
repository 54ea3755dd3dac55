#include "resolve.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "error.h"

namespace {

/** Far more than a busy machine needs; an end for who renames without one. */
constexpr int LOOKUPS_MAX = 1000;

}  // namespace

int openResolved(int root, const std::string& path, uint64_t flags, uint64_t resolve) {
  open_how how = {};
  how.flags = flags | O_CLOEXEC;
  how.resolve = resolve;
  int result = -1;
  for (int lookups = 0; lookups < LOOKUPS_MAX; lookups++) {
    result = retry([&] { return static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)); });
    if (result >= 0 || errno != EAGAIN) return result;
  }
  return result;
}

std::string takePart(std::string& path) {
  const size_t slash = std::min(path.find('/'), path.size());
  std::string part = path.substr(0, slash);
  path.erase(0, slash + 1);
  return part;
}
