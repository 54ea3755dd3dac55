#include "container-mounts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "../base/error.h"
#include "../base/file.h"
#include "mount-calls.h"
#include "paths.h"

namespace {

/** 0 leaves what the host has: a shared mount stays one with its peers there. */
unsigned long propagationOf(const std::string& name) {
  const std::string kind = !name.empty() && name[0] == 'r' ? name.substr(1) : name;
  if (kind.empty() || kind == "private") return MS_PRIVATE;
  if (kind == "slave") return MS_SLAVE;
  if (kind == "shared") return 0;
  failWith("mount propagation \"" + name + "\" is not supported", EINVAL);
}

void refuseProc(const Fd& target, const std::string& path) {
  struct statfs info = {};
  check(fstatfs(target.get(), &info), "statfs", path);
  if (info.f_type == PROC_SUPER_MAGIC) failWith("mount target " + path + " is inside /proc", EINVAL);
}

Fd cloneSource(const MountSettings& mount) {
  const unsigned flags = mount.isShallow ? 0 : AT_RECURSIVE;
  if (mount.subpath.empty()) return cloneMount(AT_FDCWD, mount.source.c_str(), flags, mount.source);
  const Fd whole = openFile(mount.source, O_PATH | O_DIRECTORY);
  const Fd part = openWithin(whole.get(), mount.subpath);
  return cloneMount(part.get(), "", flags | AT_EMPTY_PATH, mount.source);
}

/** As the other container has it, whose root and mounts the calling process enters meanwhile: a process that ends when this fails. */
Fd cloneShared(const MountSettings& mount, const Fd& sharer) {
  const Fd own = openFile("/proc/self/ns/mnt", O_RDONLY);
  check(setns(sharer.get(), CLONE_NEWNS), "join the mounts of another container");
  Fd tree = cloneMount(AT_FDCWD, mount.source.c_str(), AT_SYMLINK_NOFOLLOW, mount.source, "share");
  check(setns(own.get(), CLONE_NEWNS), "leave the mounts of another container");
  mount_attr safe = {};
  safe.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  setMountAttributes(tree.get(), "", AT_EMPTY_PATH, safe, mount.source);
  return tree;
}

}  // namespace

Fd openSource(const MountSettings& mount, const SharedNamespaces& shared) {
  Fd tree = mount.isShared ? cloneShared(mount, shared.sharer(CLONE_NEWIPC)) : cloneSource(mount);
  mount_attr attributes = {};
  attributes.propagation = propagationOf(mount.propagation);
  if (attributes.propagation != 0) setMountAttributes(tree.get(), "", AT_EMPTY_PATH | (mount.isShallow ? 0 : AT_RECURSIVE), attributes, mount.source);
  if (mount.isReadOnly) {
    mount_attr readOnly = {};
    readOnly.attr_set = MOUNT_ATTR_RDONLY;
    setMountAttributes(tree.get(), "", AT_EMPTY_PATH | (mount.isShallow || mount.isReadOnlyShallow ? 0 : AT_RECURSIVE), readOnly, mount.source);
  }
  return tree;
}

std::vector<Fd> openSources(const Settings& settings, const SharedNamespaces& shared) {
  std::vector<Fd> sources;
  for (const MountSettings& mount : settings.mounts) sources.push_back(mount.type == "bind" ? openSource(mount, shared) : Fd());
  return sources;
}

void mountBind(int root, const MountSettings& mount, const Fd& tree) {
  struct stat info = {};
  check(fstat(tree.get(), &info), "stat", mount.source);
  const Fd target = openInRoot(root, mount.target, S_ISDIR(info.st_mode) ? NodeKind::directory : NodeKind::file);
  refuseProc(target, mount.target);
  attachMount(tree, target, mount.target);
}

void mountTmpfs(int root, const MountSettings& mount) {
  const Fd target = openInRoot(root, mount.target, NodeKind::directory);
  refuseProc(target, mount.target);
  mountAt(target, "tmpfs", mount.flags | (mount.isReadOnly ? static_cast<unsigned long>(MS_RDONLY) : 0UL), mount.data.c_str(), mount.target);
}
