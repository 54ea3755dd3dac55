#include "terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <cstring>

#include "../base/error.h"
#include "../base/file.h"
#include "paths.h"

namespace {

constexpr unsigned MULTIPLEXER_MAJOR = 5;
constexpr unsigned MULTIPLEXER_MINOR = 2;

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
  const Fd console = openFile("/dev/console", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  check(mount(pathOf(slave.get()).c_str(), pathOf(console.get()).c_str(), nullptr, MS_BIND, nullptr), "mount", "/dev/console");
}

void sendDescriptor(int socket, int fd, std::string text) {
  iovec part = {text.data(), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  *head = {CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(head), &fd, sizeof fd);
  check(static_cast<int>(retry([&] { return sendmsg(socket, &message, MSG_NOSIGNAL); })), "send", "a descriptor");
}

Fd receiveDescriptor(int socket) {
  char byte = 0;
  iovec part = {&byte, 1};
  int fd = -1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (retry([&] { return recvmsg(socket, &message, MSG_CMSG_CLOEXEC); }) <= 0) return Fd();
  const cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (head == nullptr || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof fd)) return Fd();
  memcpy(&fd, CMSG_DATA(head), sizeof fd);
  return Fd(fd);
}
