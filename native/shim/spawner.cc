#include "spawner.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "../base/error.h"
#include "../base/file.h"
#include "settings.h"
#include "shim.h"

namespace {

/** A request is arguments, environment and paths: execve itself would refuse more. */
constexpr uint32_t REQUEST_SIZE_MAX = 4U << 20;

/** False when the daemon is gone. */
bool readExactly(int fd, char* data, size_t size) {
  while (size > 0) {
    const ssize_t count = retry([&] { return read(fd, data, size); });
    if (count <= 0) return false;
    data += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

bool skipExactly(int fd, size_t size) {
  char part[4096];
  for (; size > 0; size -= std::min(size, sizeof part)) {
    if (!readExactly(fd, part, std::min(size, sizeof part))) return false;
  }
  return true;
}

/** What is too long is read to its end, and is empty. */
bool readRequest(int fd, std::string& request) {
  unsigned char head[4];
  if (!readExactly(fd, reinterpret_cast<char*>(head), sizeof head)) return false;
  const uint32_t size = head[0] | head[1] << 8 | head[2] << 16 | static_cast<uint32_t>(head[3]) << 24;
  request.clear();
  if (size > REQUEST_SIZE_MAX) return skipExactly(fd, size);
  request.resize(size);
  return readExactly(fd, request.data(), size);
}

Fd listenAt(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) failWith("socket path " + path + " is longer than the kernel takes", ENAMETOOLONG);
  memcpy(address.sun_path, path.c_str(), path.size());
  unlink(path.c_str());
  Fd listener(check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
  check(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind", path);
  // The daemon's connections do not wait for their turn: whoever is beyond this number is turned away.
  check(listen(listener.get(), SOMAXCONN), "listen", path);
  return listener;
}

/** Forks the shim of one container. */
void start(const std::string& request, Fd& daemon, std::string& id) {
  if (request.empty()) failWith("arguments, environment and settings of a container are longer than " + std::to_string(REQUEST_SIZE_MAX) + " bytes", EMSGSIZE);
  Settings settings = parseSettings(request);
  id = settings.id;
  Fd listener = listenAt(settings.socketPath);
  const pid_t process = fork();
  if (process == 0) {
    daemon.reset();
    runShim(std::move(settings), std::move(listener));
  }
  if (process > 0) return;
  const int error = errno;
  unlink(settings.socketPath.c_str());
  fail("fork", "a shim", error);
}

std::string oneLine(std::string text) {
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

}  // namespace

void serveSpawner(Fd daemon, const std::vector<std::string>& cgroupFiles) {
  // Shims inherit these cgroups: outside of the service unit's, which ends with the daemon.
  for (const std::string& file : cgroupFiles) writeSetting(file, "0");
  // May fail when it leads a session already, which is as good.
  setsid();
  prctl(PR_SET_NAME, "swarm-shim");
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);  // The kernel reaps shims.
  umask(0077);
  check(fcntl(daemon.get(), F_SETFD, FD_CLOEXEC), "fcntl");
  // What the daemon was started with would be open for as long as a container lives.
  check(close_range(static_cast<unsigned>(daemon.get()) + 1, ~0U, 0), "close descriptors");
  std::string request;
  while (readRequest(daemon.get(), request)) {
    std::string id;
    std::string answer;
    try {
      start(request, daemon, id);
      answer = "listening " + id + "\n";
    } catch (const Failure& failure) {
      answer = "failed " + (id.empty() ? std::string("-") : id) + " " + oneLine(failure.text) + "\n";
    }
    if (request.capacity() > 65536) {
      request = std::string();
      malloc_trim(0);
    }
    writeAll(daemon.get(), answer, "the daemon's socket");
  }
}
