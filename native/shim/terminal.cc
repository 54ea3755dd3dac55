#include "terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include "../base/error.h"
#include "../base/file.h"
#include "paths.h"

namespace {

constexpr unsigned MULTIPLEXER_MAJOR = 5;
constexpr unsigned MULTIPLEXER_MINOR = 2;

/** Made anew, or what a bind over /dev has there: covered, but nothing is followed (CVE-2025-52565). */
Fd openConsole() {
  Fd made(open("/dev/console", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (made) return made;
  if (errno != EEXIST) fail("open", "/dev/console");
  Fd found = openFile("/dev/console", O_PATH | O_NOFOLLOW);
  struct stat info = {};
  check(fstat(found.get(), &info), "stat", "/dev/console");
  if (!S_ISREG(info.st_mode) && !S_ISCHR(info.st_mode)) failWith("/dev/console of the container is neither a device nor a file", EINVAL);
  return found;
}

}  // namespace

Terminal openTerminal(const TerminalSettings& settings) {
  Terminal terminal;
  terminal.master = openFile("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
  struct stat info = {};
  struct statfs system = {};
  check(fstat(terminal.master.get(), &info), "stat", "/dev/pts/ptmx");
  check(fstatfs(terminal.master.get(), &system), "statfs", "/dev/pts/ptmx");
  if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(MULTIPLEXER_MAJOR, MULTIPLEXER_MINOR) || system.f_type != DEVPTS_SUPER_MAGIC) {
    failWith("/dev/pts/ptmx of the container is no terminal multiplexer", EINVAL);
  }
  int locked = 0;
  check(ioctl(terminal.master.get(), TIOCSPTLCK, &locked), "unlock", "the terminal");
  terminal.slave = Fd(check(ioctl(terminal.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC), "open", "the terminal"));
  if (settings.rows != 0 || settings.columns != 0) resizeTerminal(terminal.master.get(), settings.rows, settings.columns);
  return terminal;
}

int resizeTerminal(int fd, unsigned short rows, unsigned short columns) {
  const winsize size = {rows, columns, 0, 0};
  return ioctl(fd, TIOCSWINSZ, &size) < 0 ? errno : 0;
}

void bindConsole(const Fd& slave) {
  const Fd console = openConsole();
  check(mount(pathOf(slave.get()).c_str(), pathOf(console.get()).c_str(), nullptr, MS_BIND, nullptr), "mount", "/dev/console");
}
