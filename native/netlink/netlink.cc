#include "netlink.h"

#include <sys/socket.h>

#include "../base/error.h"

Netlink::Netlink() : socket_(check(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "netlink socket")) {}

void Netlink::send(const Request& request, std::string_view what) {
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  const auto& bytes = request.bytes();
  if (retry([&] { return sendto(socket_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel); }) < 0) fail(what);
}

int Netlink::receive(std::string_view what) {
  const ssize_t size = retry([&] { return recv(socket_.get(), buffer_, sizeof buffer_, 0); });
  if (size < 0) fail(what);
  return static_cast<int>(size);
}

int Netlink::tryRun(const Request& request, std::string_view what) {
  send(request, what);
  int first = 0;
  for (unsigned missing = request.count(); missing > 0;) {
    int size = receive(what);
    for (const nlmsghdr* head = reinterpret_cast<nlmsghdr*>(buffer_); NLMSG_OK(head, static_cast<unsigned>(size)) && missing > 0; head = NLMSG_NEXT(head, size)) {
      if (head->nlmsg_type != NLMSG_ERROR) continue;
      missing--;
      const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(head))->error;
      if (first == 0) first = error;
    }
  }
  return first;
}

void Netlink::run(const Request& request, std::string_view what) {
  const int error = tryRun(request, what);
  if (error != 0) fail(what, {}, error);
}

void Netlink::dump(const Request& request, std::string_view what, const std::function<void(const nlmsghdr&)>& visit) {
  send(request, what);
  for (;;) {
    int size = receive(what);
    for (const nlmsghdr* head = reinterpret_cast<nlmsghdr*>(buffer_); NLMSG_OK(head, static_cast<unsigned>(size)); head = NLMSG_NEXT(head, size)) {
      if (head->nlmsg_type == NLMSG_DONE) return;
      if (head->nlmsg_type == NLMSG_ERROR) {
        const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(head))->error;
        if (error != 0) fail(what, {}, error);
        return;
      }
      visit(*head);
    }
  }
}
