#include "user-namespace.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "../base/error.h"
#include "../base/file.h"
#include "mount-calls.h"

namespace {

constexpr size_t MAP_SIZE_MAX = 65536;

struct Line {
  unsigned inside;
  unsigned outside;
  unsigned count;
};

template <typename Function>
void forEachLine(const std::string& map, Function function) {
  for (size_t at = 0; at < map.size(); at = std::min(map.find('\n', at), map.size() - 1) + 1) {
    Line line = {};
    if (sscanf(map.c_str() + at, "%u %u %u", &line.inside, &line.outside, &line.count) != 3) failWith("\"" + map + "\" is not a map of identifiers", EINVAL);
    function(line);
  }
}

unsigned rootIn(const std::string& map) {
  std::optional<unsigned> root;
  forEachLine(map, [&](const Line& line) {
    if (line.inside == 0) root = line.outside;
  });
  if (!root) failWith("no root in the map of identifiers \"" + map + "\"", EINVAL);
  return *root;
}

std::string reversedMap(const std::string& map) {
  std::string text;
  forEachLine(map, [&](const Line& line) {
    text.append(std::to_string(line.outside) + " " + std::to_string(line.inside) + " " + std::to_string(line.count) + "\n");
  });
  return text;
}

std::string readMap(const std::string& path) {
  const auto text = readRegularFile(path, MAP_SIZE_MAX);
  if (!text) failWith(path + " cannot be read", ESRCH);
  return *text;
}

/** All that it is allowed, which a change of its file system's user has taken away in part. */
void raiseCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  check(static_cast<int>(syscall(SYS_capget, &header, data)), "read capabilities");
  for (__user_cap_data_struct& half : data) half.effective = half.permitted;
  check(static_cast<int>(syscall(SYS_capset, &header, data)), "set capabilities");
}

}  // namespace

HostIds rootOf(const IdMaps& maps) { return {rootIn(maps.users), rootIn(maps.groups)}; }

IdMaps reversed(const IdMaps& maps) { return {reversedMap(maps.users), reversedMap(maps.groups)}; }

std::optional<IdMaps> mapsOf(pid_t process) {
  const std::string folder = "/proc/" + std::to_string(process);
  struct stat own = {}, theirs = {};
  check(stat("/proc/self/ns/user", &own), "look at", "/proc/self/ns/user");
  if (stat((folder + "/ns/user").c_str(), &theirs) < 0) failWith("the container has ended", ESRCH);
  if (own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino) return std::nullopt;
  return IdMaps{readMap(folder + "/uid_map"), readMap(folder + "/gid_map")};
}

void writeMaps(pid_t process, const IdMaps& maps) {
  const std::string folder = "/proc/" + std::to_string(process);
  writeSetting(folder + "/uid_map", maps.users);
  writeSetting(folder + "/gid_map", maps.groups);
}

Fd makeUserNamespace(const IdMaps& maps) {
  Pipe end = makePipe();
  clone_args arguments = {};
  arguments.flags = CLONE_NEWUSER;
  arguments.exit_signal = SIGCHLD;
  const auto process = static_cast<pid_t>(check(static_cast<int>(syscall(SYS_clone3, &arguments, sizeof arguments)), "create a user namespace"));
  if (process == 0) {
    // It is there for as long as its maker needs to write the maps and to open the namespace.
    end.write.reset();
    char byte;
    _exit(retry([&] { return read(end.read.get(), &byte, 1); }) < 0 ? 1 : 0);
  }
  const auto finish = [&] {
    end.write.reset();
    retry([&] { return waitpid(process, nullptr, 0); });
  };
  try {
    writeMaps(process, maps);
    Fd users = openFile("/proc/" + std::to_string(process) + "/ns/user", O_RDONLY);
    finish();
    return users;
  } catch (const Failure&) {
    finish();
    throw;
  }
}

void mapOwners(const Fd& tree, const Fd& users, bool isRecursive, const std::string& name) {
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<uint64_t>(users.get());
  const unsigned flags = AT_EMPTY_PATH | (isRecursive ? AT_RECURSIVE : 0);
  setMountAttributes(tree.get(), "", flags, attributes, name, "show with other owners (idmapped mount)");
}

void becomeRoot() {
  check(setgroups(0, nullptr), "drop supplementary groups");
  check(setresgid(0, 0, 0), "set group", "0");
  check(setresuid(0, 0, 0), "set user", "0");
}

MakingFilesAs::MakingFilesAs(const HostIds& owner) {
  setfsgid(owner.group);
  setfsuid(owner.user);
  raiseCapabilities();
}

MakingFilesAs::~MakingFilesAs() {
  setfsuid(0);
  setfsgid(0);
}
