#include "seccomp-listener.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "../base/error.h"
#include "../base/file.h"
#include "../base/pass-descriptor.h"
#include "fields.h"

namespace {

/** Begins what is no reason. */
constexpr char OFFER = '\1';

/** One call, so that the filter has to let one through. */
void writeOnce(int fd, const std::string& text, const char* what) { check(static_cast<int>(retry([&] { return write(fd, text.data(), text.size()); })), what); }

}  // namespace

SeccompListener parseListener(const Json& seccomp) {
  SeccompListener listener = {textOf(seccomp, "listenerPath", "linux.seccomp"), textOf(seccomp, "listenerMetadata", "linux.seccomp")};
  if (listener.path.empty() && !listener.metadata.empty()) failWith("linux.seccomp.listenerMetadata needs linux.seccomp.listenerPath", EINVAL);
  return listener;
}

void offerListener(const Fd& starter, const Fd& listener) {
  writeOnce(starter.get(), OFFER + std::to_string(listener.get()) + "\n", "offer the filter's listener");
  char taken = 0;
  if (retry([&] { return read(starter.get(), &taken, 1); }) != 1) _exit(1);
}

ListenerDelivery::ListenerDelivery(const SeccompListener& listener) : listener_(listener) {
  if (listener_.path.empty()) return;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (listener_.path.size() >= sizeof address.sun_path) failWith("linux.seccomp.listenerPath " + listener_.path + " is longer than the kernel takes", ENAMETOOLONG);
  memcpy(address.sun_path, listener_.path.c_str(), listener_.path.size());
  socket_ = Fd(check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  check(connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "connect to linux.seccomp.listenerPath", listener_.path);
}

void ListenerDelivery::deliver(pid_t process, int number, const Json& state) const {
  const Fd handle(check(static_cast<int>(syscall(SYS_pidfd_open, process, 0)), "open process"));
  const Fd filter(check(static_cast<int>(syscall(SYS_pidfd_getfd, handle.get(), number, 0)), "take the filter's listener"));
  Json message = Json::object();
  message.at("ociVersion") = state["ociVersion"];
  message.at("fds") = Json::array();
  message.at("fds").append(Json::text("seccompFd"));
  message.at("pid") = Json::number(process);
  message.at("metadata") = Json::text(listener_.metadata);
  message.at("state") = state;
  sendDescriptor(socket_.get(), filter.get(), message.write());
}

std::string awaitExecution(const Fd& process, const std::function<void(int)>& onListener) {
  std::string text;
  char part[512];
  for (;;) {
    const ssize_t count = retry([&] { return read(process.get(), part, sizeof part); });
    // One that ended without having read our answer: no program was executed.
    if (count < 0) fail("read from", "the container's process");
    if (count == 0) return text;
    text.append(part, static_cast<size_t>(count));
    const size_t end = text.find('\n');
    if (text[0] != OFFER || end == std::string::npos) continue;
    onListener(atoi(text.c_str() + 1));
    text.erase(0, end + 1);
    writeOnce(process.get(), "+", "answer the container's process");
  }
}
