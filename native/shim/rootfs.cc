#include "rootfs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"
#include "devices.h"
#include "paths.h"

namespace {

void mountAt(const Fd& target, const char* type, unsigned long flags, const char* data, std::string_view name) {
  check(mount(type, pathOf(target.get()).c_str(), type, flags, data), "mount", name);
}

void setMountAttributes(int fd, const char* path, unsigned flags, const mount_attr& attributes, std::string_view name) {
  check(static_cast<int>(syscall(SYS_mount_setattr, fd, path, flags, &attributes, sizeof attributes)), "set mount attributes of", name);
}

/** The overlay's own directories. The upper one gives the container's root its mode, whatever the daemon's mask is. */
void makeDirectory(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0) check(chmod(path.c_str(), mode), "chmod", path);
  else if (errno != EEXIST) fail("create directory", path);
}

/** Binds a directory of the host without what is mounted below it. */
void bindGroup(const std::string& source, const Fd& target, std::string_view name, bool isReadOnly) {
  const Fd tree(check(static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)), "open", source));
  mount_attr attributes = {};
  attributes.attr_set = (isReadOnly ? MOUNT_ATTR_RDONLY : 0) | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  attributes.propagation = MS_PRIVATE;
  setMountAttributes(tree.get(), "", AT_EMPTY_PATH, attributes, source);
  check(static_cast<int>(syscall(SYS_move_mount, tree.get(), "", target.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)), "bind mount at", name);
}

/** Bound, not mounted anew: a mount of version 1 waits for every group of the machine that is being removed. */
void showCgroups(int root, const Settings& settings) {
  if (settings.visibleCgroups.empty()) return;
  const bool isAlone = settings.visibleCgroups.front().first.empty();
  if (!isAlone) mountAt(openPlainDirectory(root, "sys/fs/cgroup"), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k", "/sys/fs/cgroup");
  for (const auto& [name, source] : settings.visibleCgroups) {
    const std::string target = "sys/fs/cgroup/" + name;
    bindGroup(source, openPlainDirectory(root, target), target, !settings.isSystemWritable);
  }
  if (isAlone) return;
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  setMountAttributes(root, "sys/fs/cgroup", 0, attributes, "/sys/fs/cgroup");
}

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

/** A copy of a bind's source that is mounted nowhere yet. */
Fd cloneSource(const MountSettings& mount) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (mount.isShallow ? 0 : AT_RECURSIVE);
  const auto clone = [&](int folder, const char* path, unsigned more) {
    return Fd(check(static_cast<int>(syscall(SYS_open_tree, folder, path, flags | more)), "open bind source", mount.source));
  };
  if (mount.subpath.empty()) return clone(AT_FDCWD, mount.source.c_str(), 0);
  const Fd whole = openFile(mount.source, O_PATH | O_DIRECTORY);
  const Fd part = openWithin(whole.get(), mount.subpath);
  return clone(part.get(), "", AT_EMPTY_PATH);
}

void mountBind(int root, const MountSettings& mount, const Fd& tree) {
  struct stat info = {};
  check(fstat(tree.get(), &info), "stat", mount.source);
  const Fd target = openInRoot(root, mount.target, S_ISDIR(info.st_mode) ? NodeKind::directory : NodeKind::file);
  refuseProc(target, mount.target);
  mount_attr attributes = {};
  attributes.propagation = propagationOf(mount.propagation);
  if (attributes.propagation != 0) setMountAttributes(tree.get(), "", AT_EMPTY_PATH | (mount.isShallow ? 0 : AT_RECURSIVE), attributes, mount.source);
  if (mount.isReadOnly) {
    mount_attr readOnly = {};
    readOnly.attr_set = MOUNT_ATTR_RDONLY;
    setMountAttributes(tree.get(), "", AT_EMPTY_PATH | (mount.isShallow || mount.isReadOnlyShallow ? 0 : AT_RECURSIVE), readOnly, mount.source);
  }
  check(static_cast<int>(syscall(SYS_move_mount, tree.get(), "", target.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)), "bind mount at", mount.target);
}

void mountTmpfs(int root, const MountSettings& mount) {
  const Fd target = openInRoot(root, mount.target, NodeKind::directory);
  refuseProc(target, mount.target);
  mountAt(target, "tmpfs", mount.flags | (mount.isReadOnly ? static_cast<unsigned long>(MS_RDONLY) : 0UL), mount.data.c_str(), mount.target);
}

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
  const Fd tree(check(static_cast<int>(syscall(SYS_open_tree, target.get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)), "open", path));
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  setMountAttributes(tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, attributes, path);
  check(static_cast<int>(syscall(SYS_move_mount, tree.get(), "", target.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)), "write-protect", path);
}

void pivotTo(const Fd& root, const std::string& path) {
  check(fchdir(root.get()), "enter", path);
  check(static_cast<int>(syscall(SYS_pivot_root, ".", ".")), "pivot_root", path);
  // The old root lies over the new one now; taking it off leaves no way to the host.
  check(umount2(".", MNT_DETACH), "unmount the old root");
  check(chdir("/"), "enter the new root");
}

void makeRootReadOnly() {
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  setMountAttributes(AT_FDCWD, "/", 0, attributes, "/");
}

}  // namespace

/** Layers are named by descriptor: the options stay far below the page that mount(2) takes, and the container learns no path of the host. */
void mountRoot(const Settings& settings) {
  makeDirectory(settings.root, 0700);
  makeDirectory(settings.upper, 0755);
  makeDirectory(settings.work, 0700);
  std::vector<Fd> open;
  std::string options = "lowerdir=";
  for (const std::string& layer : settings.layers) {
    open.push_back(openFile(layer, O_PATH | O_DIRECTORY));
    if (open.size() > 1) options += ':';
    options += pathOf(open.back().get());
  }
  open.push_back(openFile(settings.upper, O_PATH | O_DIRECTORY));
  options += ",upperdir=" + pathOf(open.back().get());
  open.push_back(openFile(settings.work, O_PATH | O_DIRECTORY));
  options += ",workdir=" + pathOf(open.back().get());
  check(mount("overlay", settings.root.c_str(), "overlay", 0, options.c_str()), "mount overlay at", settings.root);
}

void enterRoot(const Settings& settings) {
  // As they are on the host, before anything changes: what shall be shared keeps its peers, and none of them has what is mounted here.
  std::vector<Fd> sources;
  for (const MountSettings& mount : settings.mounts) sources.push_back(mount.type == "bind" ? cloneSource(mount) : Fd());
  // What the host mounts from now on may reach a bind with slave propagation; nothing of ours reaches the host.
  check(mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr), "make / a slave mount");
  mountRoot(settings);
  const Fd root = openFile(settings.root, O_PATH | O_DIRECTORY);
  mountAt(openPlainDirectory(root.get(), "proc"), "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, nullptr, "/proc");
  mountDevices(root.get(), settings);
  const unsigned long readOnly = settings.isSystemWritable ? 0UL : static_cast<unsigned long>(MS_RDONLY);
  mountAt(openPlainDirectory(root.get(), "sys"), "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | readOnly, nullptr, "/sys");
  showCgroups(root.get(), settings);
  for (size_t i = 0; i < settings.mounts.size(); i++) {
    const MountSettings& mount = settings.mounts[i];
    if (mount.type == "bind") mountBind(root.get(), mount, sources[i]);
    else mountTmpfs(root.get(), mount);
  }
  pivotTo(root, settings.root);
}

void enterFilesystem(const Settings& settings) {
  mountRoot(settings);
  const Fd root = openFile(settings.root, O_PATH | O_DIRECTORY);
  for (const MountSettings& mount : settings.mounts) {
    if (mount.type == "bind") mountBind(root.get(), mount, cloneSource(mount));
  }
  pivotTo(root, settings.root);
  if (settings.isRootReadOnly) makeRootReadOnly();
}

void protectPaths(const Settings& settings) {
  for (const std::string& path : settings.maskedPaths) mask(path);
  for (const std::string& path : settings.readOnlyPaths) makeReadOnly(path);
  if (settings.isRootReadOnly) makeRootReadOnly();
}
