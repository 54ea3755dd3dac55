#include "pass-descriptor.h"

#include <sys/socket.h>

#include <cstring>

#include "error.h"

namespace {

/** A message with room for one descriptor. It points into itself. */
struct Message {
  Message(char* data, size_t size) : text{data, size} {
    head.msg_iov = &text;
    head.msg_iovlen = 1;
    head.msg_control = control;
    head.msg_controllen = sizeof control;
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  iovec text;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr head = {};
};

}  // namespace

void sendDescriptor(int socket, int fd, std::string text) {
  Message message(text.data(), text.size());
  cmsghdr* rights = CMSG_FIRSTHDR(&message.head);
  *rights = {CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  check(static_cast<int>(retry([&] { return sendmsg(socket, &message.head, MSG_NOSIGNAL); })), "send", "a descriptor");
}

Fd receiveDescriptor(int socket) {
  char byte = 0;
  Message message(&byte, 1);
  if (retry([&] { return recvmsg(socket, &message.head, MSG_CMSG_CLOEXEC); }) <= 0) return Fd();
  const cmsghdr* rights = CMSG_FIRSTHDR(&message.head);
  int fd = -1;
  if (rights == nullptr || rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(sizeof fd)) return Fd();
  memcpy(&fd, CMSG_DATA(rights), sizeof fd);
  return Fd(fd);
}
