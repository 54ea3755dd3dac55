#include "cgroups.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#include <cstdlib>

#include "../base/cgroup-folder.h"
#include "../base/error.h"
#include "../base/file.h"
#include "device-filter.h"

void createCgroups(const std::vector<CgroupSettings>& groups) {
  for (const CgroupSettings& group : groups) {
    if (mkdir(group.path.c_str(), 0755) < 0 && errno != EEXIST) fail("create cgroup", group.path);
    // Whatever the umask: who is not root in the container, or only there, reads its own limits.
    check(chmod(group.path.c_str(), 0755), "set the mode of", group.path);
    for (const auto& [file, text] : group.limits) writeSetting(group.path + "/" + file, text);
    if (!group.deviceRules.empty()) installDeviceFilter(group.path, group.deviceRules);
  }
}

Fd openUnifiedCgroup(const std::vector<CgroupSettings>& groups) {
  for (const CgroupSettings& group : groups) {
    if (group.isUnified) return openFile(group.path, O_PATH | O_DIRECTORY);
  }
  return Fd();
}

void enterCgroups(const std::vector<CgroupSettings>& groups) {
  for (const CgroupSettings& group : groups) {
    if (!group.isUnified) writeSetting(group.path + "/tasks", "0");
  }
}

namespace {

/** A memory group of version 1 that still has page cache lingers in the kernel after its removal. */
void dropPageCache(const std::string& path) {
  const Fd file(open((path + "/memory.force_empty").c_str(), O_WRONLY | O_CLOEXEC));
  // Best effort: where it is missing or refused, the group only lives longer than it looks.
  if (file && write(file.get(), "0", 1) < 0) return;
}

/** Probes of the container's health have a group inside of it, and privileged programs may have made more. */
void removeInnerGroups(const std::string& path) {
  for (const std::string& inner : groupsBelow(path)) {
    removeInnerGroups(inner);
    // What cannot go keeps the outer one, which is seen there.
    if (rmdir(inner.c_str()) < 0) continue;
  }
}

}  // namespace

void killMembers(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    for (int attempt = 0; attempt < 1000 && signalMembers(path, SIGKILL); attempt++) {
      const timespec pause = {0, 1000000};
      nanosleep(&pause, nullptr);
    }
  }
}

void removeCgroups(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    dropPageCache(path);
    removeInnerGroups(path);
    // A process that has been reaped may count as inside for a moment longer.
    for (int attempt = 0; rmdir(path.c_str()) < 0 && errno == EBUSY && attempt < 1000; attempt++) {
      const timespec pause = {0, 1000000};
      nanosleep(&pause, nullptr);
    }
  }
}

bool hadOutOfMemory(const std::string& file) {
  const auto text = readRegularFile(file, 4096);
  if (!text) return false;
  const std::string key = "oom_kill ";
  for (size_t line = 0; line < text->size(); line = text->find('\n', line) + 1) {
    if (text->compare(line, key.size(), key) == 0) return strtoull(text->c_str() + line + key.size(), nullptr, 10) > 0;
    if (text->find('\n', line) == std::string::npos) break;
  }
  return false;
}
