#include "root.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"
#include "../shim/devices.h"
#include "../shim/mount-calls.h"
#include "../shim/paths.h"

namespace {

void setAttributes(int fd, unsigned flags, const mount_attr& attributes, const std::string& name) {
  setMountAttributes(fd, "", AT_EMPTY_PATH | flags, attributes, name);
}

void setOptions(int fd, const OciMount& mount) {
  // Options that take something away are already so where nothing was put: the kernel refuses to clear what another user namespace has set.
  if (mount.attributes != 0 || mount.cleared != 0) {
    mount_attr attributes = {};
    attributes.attr_set = mount.attributes;
    attributes.attr_clr = mount.cleared;
    setAttributes(fd, 0, attributes, mount.destination);
  }
  if (mount.recursiveAttributes != 0 || mount.recursiveCleared != 0) {
    mount_attr attributes = {};
    attributes.attr_set = mount.recursiveAttributes;
    attributes.attr_clr = mount.recursiveCleared;
    setAttributes(fd, AT_RECURSIVE, attributes, mount.destination);
  }
}

void setPropagation(int fd, unsigned long flag, bool isRecursive, const std::string& name) {
  mount_attr attributes = {};
  attributes.propagation = flag;
  setAttributes(fd, isRecursive ? AT_RECURSIVE : 0, attributes, name);
}

bool isOnProc(const Fd& file) {
  struct statfs info = {};
  return fstatfs(file.get(), &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

/** What LXCFS and the like put over single files of /proc harms nobody; anything else there could hide what later steps rely on. */
void refuseProc(const Fd& target, const OciMount& mount) {
  static const char* const HARMLESS[] = {"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg", "/proc/slabinfo"};
  for (const char* path : HARMLESS) {
    if (mount.destination == path) return;
  }
  if (isOnProc(target)) failWith("mount target " + mount.destination + " is inside /proc", EINVAL);
}

void mountBind(int root, const OciMount& mount) {
  const unsigned recursive = mount.isRecursive ? AT_RECURSIVE : 0;
  const Fd tree = cloneMount(AT_FDCWD, mount.source.c_str(), recursive, mount.source);
  struct stat info = {};
  check(fstat(tree.get(), &info), "stat", mount.source);
  const Fd target = openInRoot(root, mount.destination, S_ISDIR(info.st_mode) ? NodeKind::directory : NodeKind::file);
  refuseProc(target, mount);
  setPropagation(tree.get(), mount.propagation == 0 ? static_cast<unsigned long>(MS_PRIVATE) : mount.propagation, mount.propagation == 0 ? mount.isRecursive : mount.isPropagationRecursive, mount.source);
  setOptions(tree.get(), mount);
  attachMount(tree, target, mount.destination);
}

/** The container's own groups, bound: a mount of version 1 waits for every group of the machine that is being removed. */
void mountCgroups(int root, const OciMount& mount, const CgroupPlan& cgroups) {
  if (cgroups.visible.empty()) return;
  OciMount bind = mount;
  bind.type = "bind";
  bind.data.clear();
  if (cgroups.visible.front().first.empty()) {
    bind.source = cgroups.visible.front().second;
    return mountBind(root, bind);
  }
  {
    const Fd target = openPlainDirectory(root, mount.destination);
    check(::mount("tmpfs", pathOf(target.get()).c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k"), "mount", mount.destination);
  }
  for (const auto& [name, source] : cgroups.visible) {
    bind.source = source;
    bind.destination = mount.destination + "/" + name;
    mountBind(root, bind);
  }
  mount_attr attributes = {};
  attributes.attr_set = mount.attributes;
  setAttributes(openPlainDirectory(root, mount.destination).get(), 0, attributes, mount.destination);
}

void mountAnew(int root, const OciMount& mount) {
  // The system's own may be nowhere but where no link leads (CVE-2019-19921).
  const bool isSystems = mount.type == "proc" || mount.type == "sysfs";
  const Fd target = isSystems ? openPlainDirectory(root, mount.destination) : openInRoot(root, mount.destination, NodeKind::directory);
  if (!isSystems) refuseProc(target, mount);
  const std::string source = mount.source.empty() ? mount.type : mount.source;
  check(::mount(source.c_str(), pathOf(target.get()).c_str(), mount.type.c_str(), mount.flags, mount.data.c_str()), "mount " + mount.type + " at", mount.destination);
  if (mount.propagation == 0) return;
  const Fd mounted = isSystems ? openPlainDirectory(root, mount.destination) : openInRoot(root, mount.destination, NodeKind::directory);
  setPropagation(mounted.get(), mount.propagation, mount.isPropagationRecursive, mount.destination);
}

void mountOne(int root, const OciMount& mount, const CgroupPlan& cgroups) {
  if (mount.isBind) mountBind(root, mount);
  else if (mount.type == "cgroup" || mount.type == "cgroup2") mountCgroups(root, mount, cgroups);
  else mountAnew(root, mount);
}

/** The system's own have labels of their own. */
bool isLabelled(const std::string& type) { return type != "proc" && type != "sysfs" && type != "mqueue" && type.compare(0, 6, "cgroup") != 0; }

bool hasOwnDev(const Spec& spec) {
  for (const OciMount& mount : spec.mounts) {
    if (mount.destination == "/dev") return !mount.isBind;
  }
  return true;
}

void makeDevices(int root, const Spec& spec) {
  if (!hasOwnDev(spec)) return;
  const bool isBound = spec.has(CLONE_NEWUSER);
  const Fd dev = openPlainDirectory(root, "dev");
  const mode_t mask = umask(0);
  makeUsualDevices(dev.get(), isBound);
  for (const DeviceSettings& device : spec.process.settings.devices) makeDevice(dev.get(), device, isBound);
  umask(mask);
}

/** A read-only /dev becomes so when the devices are there. */
void protectDev(int root, const Spec& spec) {
  for (const OciMount& mount : spec.mounts) {
    if (mount.destination != "/dev" || mount.isBind || (mount.attributes & MOUNT_ATTR_RDONLY) == 0) continue;
    mount_attr attributes = {};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    setAttributes(openPlainDirectory(root, "dev").get(), 0, attributes, "/dev");
  }
}

}  // namespace

void enterOciRoot(const Spec& spec, const CgroupPlan& cgroups, const std::function<void()>& beforePivot) {
  const unsigned long wanted = propagationFlag(spec.rootPropagation);
  check(mount("", "/", nullptr, MS_REC | (wanted == MS_PRIVATE ? MS_PRIVATE : MS_SLAVE), nullptr), "make / a slave mount");
  check(mount(spec.root.c_str(), spec.root.c_str(), nullptr, MS_BIND | MS_REC, nullptr), "bind mount", spec.root);
  const Fd root = openFile(spec.root, O_PATH | O_DIRECTORY);
  for (OciMount mount : spec.mounts) {
    if (mount.destination == "/dev" && !mount.isBind) mount.flags &= ~static_cast<unsigned long>(MS_RDONLY);
    if (!spec.mountLabel.empty() && !mount.isBind && isLabelled(mount.type)) mount.data += (mount.data.empty() ? "" : ",") + ("context=\"" + spec.mountLabel + "\"");
    mountOne(root.get(), mount, cgroups);
  }
  makeDevices(root.get(), spec);
  protectDev(root.get(), spec);
  beforePivot();
  check(fchdir(root.get()), "enter", spec.root);
  check(static_cast<int>(syscall(SYS_pivot_root, ".", ".")), "pivot_root", spec.root);
  // The old root lies over the new one now; taking it off leaves no way to the host.
  check(umount2(".", MNT_DETACH), "unmount the old root");
  check(chdir("/"), "enter the new root");
  if (wanted == 0) return;
  const Fd entered = openFile("/", O_PATH | O_DIRECTORY);
  setPropagation(entered.get(), wanted, spec.rootPropagation[0] == 'r', "/");
}
