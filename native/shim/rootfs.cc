#include "rootfs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"
#include "cgroup-view.h"
#include "container-mounts.h"
#include "devices.h"
#include "mount-calls.h"
#include "paths.h"
#include "protected-paths.h"
#include "user-namespace.h"

namespace {

/** Where a prepared root is, in the folder that has what was prepared. */
constexpr const char* KEPT_ROOT = "root";
/** Beside it, not in it: a copy of the namespace holds fast what is mounted in a mount, and of one in which something is held no bare copy can be made (an export). */
constexpr const char* KEPT_DEVICES = "dev";

/**
 * Whatever the kernel was built or told to do by itself: a folder that is renamed and a file whose mode is changed are copied as a whole, so that the writable layer says
 * all that changed (commit, diff), and layers may be other folders than last time.
 */
constexpr const char* WHOLE_LAYERS = "redirect_dir=off,metacopy=off,index=off";

/** The overlay's own directories. The upper one gives the container's root its mode, whatever the daemon's mask is. */
void makeDirectory(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0) check(chmod(path.c_str(), mode), "chmod", path);
  else if (errno != EEXIST) fail("create directory", path);
}

void pivotTo(const Fd& root, const std::string& path) {
  check(fchdir(root.get()), "enter", path);
  check(static_cast<int>(syscall(SYS_pivot_root, ".", ".")), "pivot_root", path);
  // The old root lies over the new one now; taking it off leaves no way to the host.
  check(umount2(".", MNT_DETACH), "unmount the old root");
  check(chdir("/"), "enter the new root");
}

void makeDirectories(const Settings& settings) {
  makeDirectory(settings.root, 0700);
  makeDirectory(settings.upper, 0755);
  makeDirectory(settings.work, 0700);
}

/** Puts a copy of the folder with mapped owners over itself, in the mount namespace of the caller. */
void showMapped(const std::string& folder, const Fd& users) {
  const Fd tree = cloneMount(AT_FDCWD, folder.c_str(), 0, folder);
  mapOwners(tree, users, false, folder);
  attachMount(tree, openFile(folder, O_PATH | O_DIRECTORY), folder);
}

/** Mounts it in the working directory. */
void keepSource(const Fd& tree, const std::string& name) {
  struct stat info = {};
  check(fstat(tree.get(), &info), "stat", name);
  if (S_ISDIR(info.st_mode)) check(mkdir(name.c_str(), 0700), "create directory", name);
  else openFile(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
  attachMount(tree, openFile(name, O_PATH), name, "keep a bind mount as");
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

/** The file system of a folder when it is one that overlayfs writes to no folder of; else nothing. */
const char* unfitForWriting(const std::string& folder) {
  struct statfs info = {};
  if (statfs(folder.c_str(), &info) != 0) return nullptr;
  if (info.f_type == OVERLAYFS_SUPER_MAGIC) return "overlayfs";
  if (info.f_type == NFS_SUPER_MAGIC) return "NFS";
  return nullptr;
}

void mountOverlay(const Settings& settings, const std::string& options) {
  const int result = mount("overlay", settings.root.c_str(), "overlay", 0, options.c_str());
  // The kernel says EINVAL, and why only in its own log.
  const char* unfit = result < 0 && errno == EINVAL ? unfitForWriting(settings.upper) : nullptr;
  if (unfit != nullptr) failWith("files of containers cannot be kept on " + std::string(unfit) + ": put the data root on a file system such as ext4 or xfs", EINVAL);
  check(result, "mount overlay at", settings.root);
}

}  // namespace

/** Layers are named by descriptor: the options stay far below the page that mount(2) takes, and the container learns no path of the host. */
void mountRoot(const Settings& settings) {
  makeDirectories(settings);
  std::vector<Fd> open;
  std::string options = WHOLE_LAYERS;
  options += ",lowerdir=";
  for (const std::string& layer : settings.layers) {
    open.push_back(openFile(layer, O_PATH | O_DIRECTORY));
    if (open.size() > 1) options += ':';
    options += pathOf(open.back().get());
  }
  open.push_back(openFile(settings.upper, O_PATH | O_DIRECTORY));
  options += ",upperdir=" + pathOf(open.back().get());
  open.push_back(openFile(settings.work, O_PATH | O_DIRECTORY));
  options += ",workdir=" + pathOf(open.back().get());
  mountOverlay(settings, options);
}

void enterRoot(const Settings& settings, const SharedNamespaces& shared) {
  // As they are on the host, before anything changes: what shall be shared keeps its peers, and none of them has what is mounted here.
  const std::vector<Fd> sources = openSources(settings, shared);
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
  const std::vector<Fd> sources = openSources(settings, SharedNamespaces(settings));
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
  kept.root = preparedRoot(settings);
  // The overlay writes as who has mounted it.
  const MakingFilesAs root(rootOf(maps));
  mountRoot(kept);
  makeDirectory(KEPT_DEVICES, 0700);
  mountDevices(openFile(".", O_PATH | O_DIRECTORY).get(), settings);
}

std::string preparedRoot(const Settings& settings) { return settings.root + "/" + KEPT_ROOT; }

void enterPreparedRoot(const Settings& settings) {
  std::vector<Fd> sources;
  for (size_t i = 0; i < settings.mounts.size(); i++) {
    const std::string kept = std::to_string(i);
    sources.push_back(settings.mounts[i].type == "bind" ? cloneMount(AT_FDCWD, kept.c_str(), AT_RECURSIVE, settings.mounts[i].source) : Fd());
  }
  // What was there at the namespace's making cannot become its root.
  const Fd root = cloneMount(AT_FDCWD, KEPT_ROOT, AT_RECURSIVE, settings.root);
  attachMount(root, openFile(KEPT_ROOT, O_PATH | O_DIRECTORY), settings.root);
  attachMount(cloneMount(AT_FDCWD, KEPT_DEVICES, 0, "/dev"), openPlainDirectory(root.get(), "dev"), "/dev");
  furnish(root.get(), settings, sources);
  pivotTo(root, settings.root);
}

void enterFilesystem(const Settings& settings) {
  mountRoot(settings);
  const Fd root = openFile(settings.root, O_PATH | O_DIRECTORY);
  const Fd inside = settings.maps.users.empty() ? Fd() : makeUserNamespace(reversed(settings.maps));
  const SharedNamespaces none(settings);
  for (const MountSettings& mount : settings.mounts) {
    if (mount.type != "bind") continue;
    const Fd tree = openSource(mount, none);
    // The layers have the container's owners, and so shall have what is the host's.
    if (inside && !mount.isOwn) tryToMapOwners(tree, inside, mount);
    mountBind(root.get(), mount, tree);
  }
  pivotTo(root, settings.root);
  if (settings.isRootReadOnly) makeRootReadOnly();
}
