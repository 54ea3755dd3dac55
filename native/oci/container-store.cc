#include "container-store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <sstream>

#include "../base/error.h"
#include "../base/file.h"

namespace {

constexpr size_t FILE_SIZE_MAX = 16U << 20;
constexpr size_t ID_SIZE_MAX = 1024;

bool isName(const std::string& id) {
  if (id.empty() || id.size() > ID_SIZE_MAX || id == "." || id == "..") return false;
  for (const char c : id) {
    if (!isalnum(static_cast<unsigned char>(c)) && strchr("_+-.", c) == nullptr) return false;
  }
  return true;
}

/** Unix sockets have short names; through the folder's descriptor every path is short. */
sockaddr_un addressIn(const Fd& folder) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/start", folder.get());
  return address;
}

void writeFile(const std::string& path, const std::string& text) {
  {
    const Fd file = openFile(path + ".new", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    writeAll(file.get(), text, path);
  }
  check(rename((path + ".new").c_str(), path.c_str()), "rename", path);
}

}  // namespace

std::string startTimeOf(pid_t process) {
  const std::string stat = readRegularFile("/proc/" + std::to_string(process) + "/stat", 4096).value_or("");
  // The name, in parentheses, may contain anything (proc_pid_stat(5)); the state is the 3rd field, the start the 22nd.
  const size_t name = stat.rfind(')');
  if (name == std::string::npos) return "";
  std::istringstream fields(stat.substr(name + 1));
  std::string field;
  fields >> field;
  if (field == "Z" || field == "X") return "";
  for (int number = 4; number <= 22; number++) fields >> field;
  return field;
}

ContainerStore::ContainerStore(const std::string& root, const std::string& id) : folder_(root + "/" + id), id_(id) {
  if (!isName(id)) failWith("container id \"" + id.substr(0, 100) + "\" is not made of letters, digits, _, +, - and .", EINVAL);
}

void ContainerStore::make() const {
  for (size_t slash = folder_.find('/', 1); slash != std::string::npos; slash = folder_.find('/', slash + 1)) {
    const std::string part = folder_.substr(0, slash);
    if (mkdir(part.c_str(), 0711) < 0 && errno != EEXIST) fail("create directory", part);
  }
  if (mkdir(folder_.c_str(), 0700) == 0) return;
  if (errno == EEXIST) failWith("container with id " + id_ + " exists already", EEXIST);
  fail("create directory", folder_);
}

void ContainerStore::write(const Json& container) const { writeFile(folder_ + "/container.json", container.write()); }

void ContainerStore::writeConfig(const std::string& text) const { writeFile(folder_ + "/config.json", text); }

std::optional<std::string> ContainerStore::readConfig() const { return readRegularFile(folder_ + "/config.json", FILE_SIZE_MAX); }

bool ContainerStore::exists() const {
  struct stat info = {};
  return stat(folder_.c_str(), &info) == 0;
}

Json ContainerStore::read() const {
  const std::string path = folder_ + "/container.json";
  const auto text = readRegularFile(path, FILE_SIZE_MAX);
  if (!text) failWith("container " + id_ + " does not exist", ENOENT);
  return Json::parse(*text, path);
}

void ContainerStore::remove() const {
  for (const char* name : {"container.json", "container.json.new", "config.json", "config.json.new", "start"}) unlink((folder_ + "/" + name).c_str());
  rmdir(folder_.c_str());
}

Fd ContainerStore::listenForStart() const {
  const Fd folder = openFile(folder_, O_PATH | O_DIRECTORY);
  const sockaddr_un address = addressIn(folder);
  Fd listener(check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  check(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind", folder_ + "/start");
  check(listen(listener.get(), 1), "listen", folder_ + "/start");
  return listener;
}

Fd ContainerStore::connectToStart() const {
  const Fd folder = openFile(folder_, O_PATH | O_DIRECTORY);
  const sockaddr_un address = addressIn(folder);
  Fd caller(check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  check(connect(caller.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect to", folder_ + "/start");
  return caller;
}

void ContainerStore::forgetStart() const { unlink((folder_ + "/start").c_str()); }

std::string ContainerStore::statusOf(const Json& container) const {
  const auto process = static_cast<pid_t>(strtol(container["pid"].literal().c_str(), nullptr, 10));
  const std::string startTime = process > 0 ? startTimeOf(process) : "";
  if (process == 0) return "creating";
  if (startTime.empty() || startTime != container["startTime"].literal()) return "stopped";
  struct stat info = {};
  return stat((folder_ + "/start").c_str(), &info) == 0 ? "created" : "running";
}

Fd ContainerStore::openProcess(const Json& container) const {
  const auto process = static_cast<pid_t>(strtol(container["pid"].literal().c_str(), nullptr, 10));
  Fd opened(process > 0 ? static_cast<int>(syscall(SYS_pidfd_open, process, 0)) : -1);
  // Only while the descriptor is open does the number stay this process's.
  const std::string status = statusOf(container);
  return status == "created" || status == "running" ? std::move(opened) : Fd();
}

Json ContainerStore::stateOf(const Json& container) const {
  const std::string status = statusOf(container);
  Json state = Json::object();
  state.at("ociVersion") = container["ociVersion"];
  state.at("id") = Json::text(id_);
  state.at("status") = Json::text(status);
  state.at("pid") = status == "stopped" ? Json::number(0) : container["pid"];
  state.at("bundle") = container["bundle"];
  if (!container["annotations"].isNull()) state.at("annotations") = container["annotations"];
  return state;
}
