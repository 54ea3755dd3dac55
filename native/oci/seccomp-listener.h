#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "../base/fd.h"
#include "../base/json.h"

/** Who decides about system calls for which the filter asks: `linux.seccomp.listenerPath` and `listenerMetadata`. */
struct SeccompListener {
  /** Of a unix socket on the host; empty is nobody. */
  std::string path;
  std::string metadata;
};

SeccompListener parseListener(const Json& seccomp);

/**
 * In the process that has just loaded its filter: says which descriptor is the filter's end, and waits until it was taken. It writes and reads nothing else: the
 * filter may ask about all other calls, and somebody answers by then only for those after this write.
 */
void offerListener(const Fd& starter, const Fd& listener);

/** Takes a process's descriptor and sends it to the listener, with the state of the container as the specification's ContainerProcessState has it. */
class ListenerDelivery {
 public:
  /** Connects, unless the path is empty. */
  explicit ListenerDelivery(const SeccompListener& listener);
  void deliver(pid_t process, int number, const Json& state) const;

 private:
  SeccompListener listener_;
  Fd socket_;
};

/** What the process says until it is executed: nothing, or the reason why it is not. `onListener` is called with the number that it offers. */
std::string awaitExecution(const Fd& process, const std::function<void(int)>& onListener);
