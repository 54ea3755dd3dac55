#include "file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "error.h"

Pipe makePipe() {
  int ends[2];
  check(pipe2(ends, O_CLOEXEC), "pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

Fd openFile(const std::string& path, int flags, int mode) {
  return Fd(check(retry([&] { return open(path.c_str(), flags | O_CLOEXEC, mode); }), "open", path));
}

void writeAll(int fd, std::string_view data, std::string_view path) {
  while (!data.empty()) {
    const ssize_t written = retry([&] { return write(fd, data.data(), data.size()); });
    if (written < 0) fail("write", path);
    data.remove_prefix(static_cast<size_t>(written));
  }
}

void writeSetting(const std::string& path, std::string_view text) {
  const Fd file = openFile(path, O_WRONLY);
  if (retry([&] { return write(file.get(), text.data(), text.size()); }) < 0) fail("write " + std::string(text) + " to", path);
}

void writeProcSetting(const std::string& path, std::string_view text) {
  const Fd file = openFile(path, O_WRONLY | O_NOFOLLOW);
  struct statfs info = {};
  check(fstatfs(file.get(), &info), "statfs", path);
  if (info.f_type != PROC_SUPER_MAGIC) failWith(path + " is no file of the kernel", EINVAL);
  if (retry([&] { return write(file.get(), text.data(), text.size()); }) < 0) fail("write " + std::string(text) + " to", path);
}

namespace {

/** The process or the group that a file of the kernel tells of is gone, or is of a kind that has none of it. */
bool isOfNothing(int error) { return error == ESRCH || error == ENODEV || error == EOPNOTSUPP; }

}  // namespace

std::optional<std::string> readRegularFile(const std::string& path, size_t sizeMax) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat info = {};
  if (!file || fstat(file.get(), &info) < 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  std::string text;
  char part[4096];
  while (text.size() < sizeMax) {
    const ssize_t count = retry([&] { return read(file.get(), part, sizeof part); });
    if (count < 0 && isOfNothing(errno)) return std::nullopt;
    if (count < 0) fail("read", path);
    if (count == 0) break;
    text.append(part, static_cast<size_t>(count));
  }
  return text;
}

void makeNonBlocking(int fd) { check(fcntl(fd, F_SETFL, check(fcntl(fd, F_GETFL), "fcntl") | O_NONBLOCK), "fcntl"); }
