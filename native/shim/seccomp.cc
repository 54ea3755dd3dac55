#include "seccomp.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"

namespace {

/** The kernel takes 4096 instructions of 8 bytes. */
constexpr size_t PROGRAM_SIZE_MAX = BPF_MAXINSNS * sizeof(sock_filter);
constexpr size_t FILE_SIZE_MAX = 4U << 20;

}  // namespace

SeccompFilter::SeccompFilter(const std::string& path, unsigned flags) : flags_(flags) {
  if (path.empty()) return;
  auto program = readRegularFile(path, FILE_SIZE_MAX);
  if (!program || program->empty() || program->size() % sizeof(sock_filter) != 0) failWith("seccomp filter " + path + " cannot be read", EINVAL);
  program_ = std::move(*program);
}

SeccompFilter SeccompFilter::ofProgram(std::string program, unsigned flags) {
  SeccompFilter filter;
  filter.program_ = std::move(program);
  filter.flags_ = flags;
  return filter;
}

Fd SeccompFilter::load() const {
  if (program_.empty()) return Fd();
  if (program_.size() > PROGRAM_SIZE_MAX) {
    failWith("the seccomp filter has " + std::to_string(program_.size() / sizeof(sock_filter)) + " instructions, and the kernel takes " + std::to_string(BPF_MAXINSNS), EINVAL);
  }
  const sock_fprog program = {static_cast<unsigned short>(program_.size() / sizeof(sock_filter)),
                              reinterpret_cast<sock_filter*>(const_cast<char*>(program_.data()))};
  const int result = check(static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags_, &program)), "load the seccomp filter");
  return (flags_ & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0 ? Fd(result) : Fd();
}
