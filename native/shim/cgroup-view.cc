#include "cgroup-view.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "../base/error.h"
#include "mount-calls.h"
#include "paths.h"

namespace {

/** Binds a directory of the host without what is mounted below it. */
void bindGroup(const std::string& source, const Fd& target, std::string_view name, bool isReadOnly) {
  const Fd tree = cloneMount(AT_FDCWD, source.c_str(), 0, source, "open");
  mount_attr attributes = {};
  attributes.attr_set = (isReadOnly ? MOUNT_ATTR_RDONLY : 0) | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  attributes.propagation = MS_PRIVATE;
  setMountAttributes(tree.get(), "", AT_EMPTY_PATH, attributes, source);
  attachMount(tree, target, name);
}

/** A folder of the tmpfs that was mounted there just before. */
Fd makeGroupFolder(const Fd& groups, const std::string& name) {
  check(mkdirat(groups.get(), name.c_str(), 0755), "create directory", "/sys/fs/cgroup/" + name);
  return openPlainDirectory(groups.get(), name);
}

}  // namespace

void showCgroups(int root, const Settings& settings) {
  if (settings.visibleCgroups.empty()) return;
  constexpr const char* FOLDER = "sys/fs/cgroup";
  const auto& [firstName, firstSource] = settings.visibleCgroups.front();
  if (firstName.empty()) {
    bindGroup(firstSource, openPlainDirectory(root, FOLDER), FOLDER, !settings.isSystemWritable);
    return;
  }
  mountAt(openPlainDirectory(root, FOLDER), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k", "/sys/fs/cgroup");
  const Fd groups = openPlainDirectory(root, FOLDER);
  for (const auto& [name, source] : settings.visibleCgroups) bindGroup(source, makeGroupFolder(groups, name), name, !settings.isSystemWritable);
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  setMountAttributes(groups.get(), "", AT_EMPTY_PATH, attributes, "/sys/fs/cgroup");
}
