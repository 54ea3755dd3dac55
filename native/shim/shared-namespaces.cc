#include "shared-namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <utility>

#include "../base/error.h"
#include "../base/file.h"
#include "joined-process.h"
#include "user-namespace.h"

namespace {

std::string usersOf(pid_t process) { return "/proc/" + std::to_string(process) + "/ns/user"; }

bool haveSameUsers(pid_t process, pid_t other) {
  struct stat one = {}, two = {};
  check(stat(usersOf(process).c_str(), &one), "look at", usersOf(process));
  check(stat(usersOf(other).c_str(), &two), "look at", usersOf(other));
  return one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

}  // namespace

SharedNamespaces::SharedNamespaces(const Settings& settings) {
  for (const SharedNamespace& shared : settings.shared) members_.push_back({shared.kind, shared.process, openJoined(shared.process, shared.group)});
}

void SharedNamespaces::join(uint64_t kinds) const {
  for (const Member& member : members_) {
    if ((member.kind & kinds) != 0) check(setns(member.descriptor.get(), static_cast<int>(member.kind)), "join a namespace of process", std::to_string(member.process));
  }
}

const Fd& SharedNamespaces::sharer(uint64_t kind) const {
  for (const Member& member : members_) {
    if (member.kind == kind) return member.descriptor;
  }
  failWith("no namespace of that kind is shared in the request", EINVAL);
}

SharedUsers SharedNamespaces::openUsers() const {
  const pid_t first = members_.front().process;
  for (const Member& member : members_) {
    if (!haveSameUsers(first, member.process)) failWith("containers whose namespaces are to be joined are in different user namespaces", EINVAL);
  }
  auto maps = mapsOf(first);
  if (!maps) failWith("a container whose namespace is to be joined is in the host's user namespace, and this one is not", EINVAL);
  return {openFile(usersOf(first), O_RDONLY), std::move(*maps)};
}

uint64_t sharedKinds(const Settings& settings) {
  uint64_t kinds = 0;
  for (const SharedNamespace& shared : settings.shared) kinds |= shared.kind;
  return kinds;
}
