#include "sealed-self.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace {

constexpr int SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

Fd makeMemoryFile() {
  Fd file(memfd_create("swarm-shim", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  // Kernels before 6.3 do not know the flag, and make every such file executable.
  if (!file && errno == EINVAL) file = Fd(memfd_create("swarm-shim", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  check(file.get(), "make an executable file in memory (sysctl vm.memfd_noexec must not be 2)");
  return file;
}

}  // namespace

void runFromSealedCopy(char** arguments) {
  const Fd self = openFile("/proc/self/exe", O_RDONLY);
  const int seals = fcntl(self.get(), F_GET_SEALS);
  if (seals >= 0 && (seals & SEALS) == SEALS) return;
  struct stat info = {};
  check(fstat(self.get(), &info), "stat", "/proc/self/exe");
  const Fd copy = makeMemoryFile();
  for (off_t offset = 0; offset < info.st_size;) {
    const auto count = retry([&] { return sendfile(copy.get(), self.get(), &offset, static_cast<size_t>(info.st_size - offset)); });
    if (count <= 0) fail("copy", "/proc/self/exe");
  }
  check(fcntl(copy.get(), F_ADD_SEALS, SEALS), "seal", "the copy of this program");
  fexecve(copy.get(), arguments, environ);
  fail("execute", "the copy of this program");
}
