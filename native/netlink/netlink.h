#pragma once

#include <linux/rtnetlink.h>

#include <functional>
#include <string_view>

#include "../base/fd.h"
#include "request.h"

/** A socket for rtnetlink in the network namespace of the thread that makes it. Calls block: they are answered at once. */
class Netlink {
 public:
  Netlink();
  /** Sends all messages and waits for all answers; throws for the first that was refused, as `what: reason`. */
  void run(const Request& request, std::string_view what);
  /** The same for one message, but gives the error (0 for none) instead of throwing. */
  int tryRun(const Request& request, std::string_view what);
  /** Calls `visit` with each message of a dump, or of the answer to one request that is acknowledged. */
  void dump(const Request& request, std::string_view what, const std::function<void(const nlmsghdr&)>& visit);

 private:
  void send(const Request& request, std::string_view what);
  /** Receives one datagram into the buffer. */
  int receive(std::string_view what);

  Fd socket_;
  alignas(nlmsghdr) char buffer_[16384];
};
