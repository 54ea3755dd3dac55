#include "protected-paths.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../base/error.h"
#include "../base/file.h"
#include "mount-calls.h"
#include "paths.h"

namespace {

/** The container's own, which a volume over /dev may have replaced by a link to anything (CVE-2025-31133). */
Fd openNull() {
  Fd null = openFile("/dev/null", O_PATH | O_NOFOLLOW);
  struct stat info = {};
  check(fstat(null.get(), &info), "stat", "/dev/null");
  if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(1, 3)) failWith("/dev/null of the container is not the null device", EINVAL);
  return null;
}

void mask(const std::string& path) {
  const Fd target = openExisting(path);
  if (!target) return;
  struct stat info = {};
  check(fstat(target.get(), &info), "stat", path);
  if (S_ISDIR(info.st_mode)) {
    mountAt(target, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=0", path);
  } else {
    const Fd null = openNull();
    check(mount(pathOf(null.get()).c_str(), pathOf(target.get()).c_str(), nullptr, MS_BIND, nullptr), "mask", path);
  }
}

void makeReadOnly(const std::string& path) {
  const Fd target = openExisting(path);
  if (!target) return;
  const Fd tree = cloneMount(target.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, path, "open");
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  setMountAttributes(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, attributes, path);
  attachMount(tree, target, path, "write-protect");
}

}  // namespace

void protectPaths(const Settings& settings) {
  for (const std::string& path : settings.maskedPaths) mask(path);
  for (const std::string& path : settings.readOnlyPaths) makeReadOnly(path);
  if (settings.isRootReadOnly) makeRootReadOnly();
}

void makeRootReadOnly() {
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  setMountAttributes(AT_FDCWD, "/", 0, attributes, "/");
}
