#include "bundle.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "../base/error.h"
#include "../base/file.h"
#include "../base/json.h"
#include "identity.h"

namespace {

constexpr size_t LOG_SIZE_MAX = 1U << 20;

/** Names are the container's own; it cannot be asked otherwise than from inside of its root. */
Identity identityIn(const std::string& root, const Settings& settings) {
  const Fd outside = openFile("/", O_PATH | O_DIRECTORY);
  check(chroot(root.c_str()), "enter", root);
  check(chdir("/"), "enter", root);
  const Identity identity = resolveIdentity(settings.user, settings.groups);
  check(fchdir(outside.get()), "leave", root);
  check(chroot("."), "leave", root);
  return identity;
}

Json userOf(const Identity& identity) {
  Json user = Json::object();
  user.at("uid") = Json::number(identity.user);
  user.at("gid") = Json::number(identity.group);
  user.at("additionalGids") = Json::array();
  for (const gid_t group : identity.groups) user.at("additionalGids").append(Json::number(group));
  return user;
}

}  // namespace

void Bundle::make() const {
  remove();
  check(mkdir(folder_.c_str(), 0700), "create bundle", folder_);
}

void Bundle::write(const std::string& path, const std::string& config, const Settings& settings, const std::string& rootOfUsers) const {
  Json json = Json::parse(config, "the bundle's configuration");
  Json& process = path == processFile() ? json : json.at("process");
  process.at("user") = userOf(identityIn(rootOfUsers, settings));
  const Fd file = openFile(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  writeAll(file.get(), json.write(), path);
}

Fd Bundle::listenForConsole() const {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = consoleSocket();
  if (path.size() >= sizeof address.sun_path) failWith("socket path " + path + " is longer than the kernel takes", ENAMETOOLONG);
  memcpy(address.sun_path, path.c_str(), path.size());
  Fd listener(check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
  check(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "bind", path);
  check(listen(listener.get(), 1), "listen", path);
  return listener;
}

pid_t Bundle::readPid() const {
  const auto text = readRegularFile(pidFile(), 64);
  const long process = text ? strtol(text->c_str(), nullptr, 10) : 0;
  if (process <= 0) failWith("the runtime left no process number in " + pidFile());
  return static_cast<pid_t>(process);
}

std::string Bundle::lastWords() const {
  const std::string text = readRegularFile(logFile(), LOG_SIZE_MAX).value_or("");
  std::string last;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    try {
      const Json line = Json::parse(std::string_view(text).substr(start, end - start), "a line of the log");
      if (line["level"].literal() == "error" || line["level"].isNull()) last = line["msg"].literal();
    } catch (const Failure&) {
      last = text.substr(start, end - start);
    }
    start = end + 1;
  }
  // What the daemon says itself.
  const std::string known = "unable to start container process: ";
  const size_t at = last.find(known);
  return at == std::string::npos ? last : last.substr(at + known.size());
}

void Bundle::remove() const {
  for (const std::string& path : {configFile(), processFile(), pidFile(), logFile(), consoleSocket()}) unlink(path.c_str());
  rmdir(sharedMemory().c_str());
  rmdir(folder_.c_str());
}
