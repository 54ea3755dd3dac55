#include "rootfs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sched.h>
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
#include "user-namespace.h"

namespace {

/** Where a prepared root is, in the folder that has what was prepared. */
constexpr const char* KEPT_ROOT = "root";
/** Beside it, not in it: a copy of the namespace holds fast what is mounted in a mount, and of one in which something is held no bare copy can be made (an export). */
constexpr const char* KEPT_DEVICES = "dev";

void mountAt(const Fd& target, const char* type, unsigned long flags, const char* data, std::string_view name) {
  check(mount(type, pathOf(target.get()).c_str(), type, flags, data), "mount", name);
}

void setMountAttributes(int fd, const char* path, unsigned flags, const mount_attr& attributes, std::string_view name) {
  check(static_cast<int>(syscall(SYS_mount_setattr, fd, path, flags, &attributes, sizeof attributes)), "set mount attributes of", name);
}

/** What is mounted nowhere yet gets its place. */
void attach(const Fd& tree, const Fd& target, std::string_view what, std::string_view name) {
  check(static_cast<int>(syscall(SYS_move_mount, tree.get(), "", target.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)), what, name);
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
  attach(tree, target, "bind mount at", name);
}

/** A folder of the tmpfs that was mounted there just before. */
Fd makeGroupFolder(const Fd& groups, const std::string& name) {
  check(mkdirat(groups.get(), name.c_str(), 0755), "create directory", "/sys/fs/cgroup/" + name);
  return openPlainDirectory(groups.get(), name);
}

/** Bound, not mounted anew: a mount of version 1 waits for every group of the machine that is being removed. */
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

Fd cloneTree(int folder, const char* path, unsigned flags, std::string_view name) {
  return Fd(check(static_cast<int>(syscall(SYS_open_tree, folder, path, flags | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)), "open bind source", name));
}

Fd cloneSource(const MountSettings& mount) {
  const unsigned flags = mount.isShallow ? 0 : AT_RECURSIVE;
  if (mount.subpath.empty()) return cloneTree(AT_FDCWD, mount.source.c_str(), flags, mount.source);
  const Fd whole = openFile(mount.source, O_PATH | O_DIRECTORY);
  const Fd part = openWithin(whole.get(), mount.subpath);
  return cloneTree(part.get(), "", flags | AT_EMPTY_PATH, mount.source);
}

/** A copy of a bind's source, as it shall be seen, that is mounted nowhere yet. */
Fd openSource(const MountSettings& mount) {
  Fd tree = cloneSource(mount);
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

/** Empty for what has no source. */
std::vector<Fd> openSources(const Settings& settings) {
  std::vector<Fd> sources;
  for (const MountSettings& mount : settings.mounts) sources.push_back(mount.type == "bind" ? openSource(mount) : Fd());
  return sources;
}

void mountBind(int root, const MountSettings& mount, const Fd& tree) {
  struct stat info = {};
  check(fstat(tree.get(), &info), "stat", mount.source);
  const Fd target = openInRoot(root, mount.target, S_ISDIR(info.st_mode) ? NodeKind::directory : NodeKind::file);
  refuseProc(target, mount.target);
  attach(tree, target, "bind mount at", mount.target);
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
  attach(tree, target, "write-protect", path);
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

void makeDirectories(const Settings& settings) {
  makeDirectory(settings.root, 0700);
  makeDirectory(settings.upper, 0755);
  makeDirectory(settings.work, 0700);
}

/** Puts a copy of the folder with mapped owners over itself, in the mount namespace of the caller. */
void showMapped(const std::string& folder, const Fd& users) {
  const Fd tree = cloneTree(AT_FDCWD, folder.c_str(), 0, folder);
  mapOwners(tree, users, false, folder);
  attach(tree, openFile(folder, O_PATH | O_DIRECTORY), "bind mount at", folder);
}

/** Mounts it in the working directory. */
void keepSource(const Fd& tree, const std::string& name) {
  struct stat info = {};
  check(fstat(tree.get(), &info), "stat", name);
  if (S_ISDIR(info.st_mode)) check(mkdir(name.c_str(), 0700), "create directory", name);
  else openFile(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
  attach(tree, openFile(name, O_PATH), "keep a bind mount as", name);
}

/** File systems that have no other owners (proc, NFS) keep those of the host. */
void tryToMapOwners(const Fd& tree, const Fd& users, const MountSettings& mount) {
  try {
    mapOwners(tree, users, !mount.isShallow, mount.source);
  } catch (const Failure& failure) {
    if (failure.error != EINVAL) throw;
  }
}

/** All that is in a root beside layers and devices. */
void furnish(int root, const Settings& settings, const std::vector<Fd>& sources) {
  mountAt(openPlainDirectory(root, "proc"), "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, nullptr, "/proc");
  mountDeviceSystems(root, settings);
  const unsigned long readOnly = settings.isSystemWritable ? 0UL : static_cast<unsigned long>(MS_RDONLY);
  mountAt(openPlainDirectory(root, "sys"), "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | readOnly, nullptr, "/sys");
  showCgroups(root, settings);
  for (size_t i = 0; i < settings.mounts.size(); i++) {
    const MountSettings& mount = settings.mounts[i];
    if (mount.type == "bind") mountBind(root, mount, sources[i]);
    else mountTmpfs(root, mount);
  }
}

}  // namespace

/** Layers are named by descriptor: the options stay far below the page that mount(2) takes, and the container learns no path of the host. */
void mountRoot(const Settings& settings) {
  makeDirectories(settings);
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
  const std::vector<Fd> sources = openSources(settings);
  // What the host mounts from now on may reach a bind with slave propagation; nothing of ours reaches the host.
  check(mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr), "make / a slave mount");
  mountRoot(settings);
  const Fd root = openFile(settings.root, O_PATH | O_DIRECTORY);
  mountDevices(root.get(), settings);
  furnish(root.get(), settings, sources);
  pivotTo(root, settings.root);
}

void prepareRoot(const Settings& settings, const IdMaps& maps, const Fd& users) {
  check(unshare(CLONE_NEWNS), "unshare mount namespace");
  // Before sources are opened: what the container mounts below one that is shared would come to the host.
  check(mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr), "make / a slave mount");
  const std::vector<Fd> sources = openSources(settings);
  for (size_t i = 0; i < settings.mounts.size(); i++) {
    if (settings.mounts[i].isOwn) mapOwners(sources[i], users, false, settings.mounts[i].source);
  }
  makeDirectories(settings);
  for (const std::string& layer : settings.layers) showMapped(layer, users);
  // Both of the overlay's own directories, which must be of one mount.
  showMapped(settings.upper.substr(0, settings.upper.rfind('/')), users);
  check(mount("tmpfs", settings.root.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755"), "mount a file system in memory at", settings.root);
  check(chdir(settings.root.c_str()), "enter", settings.root);
  for (size_t i = 0; i < sources.size(); i++) {
    if (sources[i]) keepSource(sources[i], std::to_string(i));
  }
  Settings kept = settings;
  kept.root += std::string("/") + KEPT_ROOT;
  // The overlay writes as who has mounted it.
  const MakingFilesAs root(rootOf(maps));
  mountRoot(kept);
  makeDirectory(KEPT_DEVICES, 0700);
  mountDevices(openFile(".", O_PATH | O_DIRECTORY).get(), settings);
}

void enterPreparedRoot(const Settings& settings) {
  std::vector<Fd> sources;
  for (size_t i = 0; i < settings.mounts.size(); i++) {
    const std::string kept = std::to_string(i);
    sources.push_back(settings.mounts[i].type == "bind" ? cloneTree(AT_FDCWD, kept.c_str(), AT_RECURSIVE, settings.mounts[i].source) : Fd());
  }
  // What was there at the namespace's making cannot become its root.
  const Fd root = cloneTree(AT_FDCWD, KEPT_ROOT, AT_RECURSIVE, settings.root);
  attach(root, openFile(KEPT_ROOT, O_PATH | O_DIRECTORY), "bind mount at", settings.root);
  attach(cloneTree(AT_FDCWD, KEPT_DEVICES, 0, "/dev"), openPlainDirectory(root.get(), "dev"), "bind mount at", "/dev");
  furnish(root.get(), settings, sources);
  pivotTo(root, settings.root);
}

void enterFilesystem(const Settings& settings) {
  mountRoot(settings);
  const Fd root = openFile(settings.root, O_PATH | O_DIRECTORY);
  const Fd inside = settings.maps.users.empty() ? Fd() : makeUserNamespace(reversed(settings.maps));
  for (const MountSettings& mount : settings.mounts) {
    if (mount.type != "bind") continue;
    const Fd tree = openSource(mount);
    // The layers have the container's owners, and so shall have what is the host's.
    if (inside && !mount.isOwn) tryToMapOwners(tree, inside, mount);
    mountBind(root.get(), mount, tree);
  }
  pivotTo(root, settings.root);
  if (settings.isRootReadOnly) makeRootReadOnly();
}

void protectPaths(const Settings& settings) {
  for (const std::string& path : settings.maskedPaths) mask(path);
  for (const std::string& path : settings.readOnlyPaths) makeReadOnly(path);
  if (settings.isRootReadOnly) makeRootReadOnly();
}
