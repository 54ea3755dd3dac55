#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

/** Takes a descriptor, and prints the text that came with it. */
int receive(int connection) {
  char text[65536];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec part = {text, sizeof text};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
  const cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (size <= 0 || head == nullptr || head->cmsg_type != SCM_RIGHTS) return -1;
  printf("%.*s\n", static_cast<int>(size), text);
  int fd = -1;
  memcpy(&fd, CMSG_DATA(head), sizeof fd);
  return fd;
}

/** Refuses every call that it is asked about, until nobody is left to ask. */
void refuseAll(int filter) {
  for (;;) {
    seccomp_notif asked = {};
    if (ioctl(filter, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0) {
      if (errno == EINTR) continue;
      return;
    }
    seccomp_notif_resp answer = {};
    answer.id = asked.id;
    answer.error = -EDQUOT;
    if (ioctl(filter, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0 && errno != ENOENT) return;
  }
}

}  // namespace

/** For tests: listens at a path for filters of system calls, prints what comes with each, and refuses with EDQUOT whatever they ask about. */
int main(int count, char** arguments) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (count != 2 || strlen(arguments[1]) >= sizeof address.sun_path) return 2;
  strcpy(address.sun_path, arguments[1]);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 || listen(listener, 8) < 0) return 1;
  setvbuf(stdout, nullptr, _IOLBF, 0);
  puts("listening");
  for (;;) {
    const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) return 1;
    const int filter = receive(connection);
    close(connection);
    if (filter >= 0 && fork() == 0) {
      refuseAll(filter);
      _exit(0);
    }
    close(filter);
  }
}
