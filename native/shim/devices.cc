#include "devices.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../base/error.h"
#include "paths.h"

namespace {

struct Device {
  const char* name;
  unsigned major;
  unsigned minor;
};
constexpr Device DEVICES[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

struct Link {
  const char* name;
  const char* target;
};
constexpr Link LINKS[] = {{"fd", "/proc/self/fd"},     {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
                          {"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"},      {"ptmx", "pts/ptmx"}};

Fd makeFolder(const Fd& dev, const char* name) {
  if (mkdirat(dev.get(), name, 0755) < 0 && errno != EEXIST) fail("create directory /dev", name);
  return Fd(check(openat(dev.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open /dev", name));
}

void bindFolderBelow(const Fd& dev, const char* name, const char* source) {
  const Fd target = makeFolder(dev, name);
  check(mount(source, pathOf(target.get()).c_str(), nullptr, MS_BIND, nullptr), "bind mount /dev", name);
}

void mountBelow(const Fd& dev, const char* name, const char* type, unsigned long flags, const char* data) {
  const Fd target = makeFolder(dev, name);
  check(mount(type, pathOf(target.get()).c_str(), type, flags, data), "mount /dev", name);
}

/** The host's own node, where the kernel lets nobody make one: in a user namespace. `folder` is where it comes to be. */
void bindDevice(int folder, const std::string& name) {
  const std::string own = name.substr(name.rfind('/') + 1);
  const Fd target(check(openat(folder, own.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0666), "create /dev", name));
  check(mount(("/dev/" + name).c_str(), pathOf(target.get()).c_str(), nullptr, MS_BIND, nullptr), "bind mount /dev", name);
}

/** The folder of a device, made if need be. Where nothing is mounted at /dev it is the image's, and so are the links in it: none is followed. */
Fd openFolderOf(int dev, const std::string& name) {
  const size_t slash = name.rfind('/');
  return openPlainDirectory(dev, slash == std::string::npos ? "" : name.substr(0, slash));
}

}  // namespace

void makeDevice(int dev, const DeviceSettings& device, bool isBound) {
  const Fd folder = openFolderOf(dev, device.name);
  if (isBound) return bindDevice(folder.get(), device.name);
  const std::string own = device.name.substr(device.name.rfind('/') + 1);
  const mode_t mode = (device.isBlock ? S_IFBLK : S_IFCHR) | static_cast<mode_t>(device.mode);
  if (mknodat(folder.get(), own.c_str(), mode, makedev(device.major, device.minor)) < 0 && errno != EEXIST) fail("create device /dev", device.name);
  if (device.user == 0 && device.group == 0) return;
  check(fchownat(folder.get(), own.c_str(), device.user, device.group, AT_SYMLINK_NOFOLLOW), "give away /dev", device.name);
}

void makeUsualDevices(int dev, bool isBound) {
  for (const Device& device : DEVICES) {
    if (isBound) bindDevice(dev, device.name);
    else if (mknodat(dev, device.name, S_IFCHR | 0666, makedev(device.major, device.minor)) < 0 && errno != EEXIST) fail("create device", device.name);
  }
  for (const Link& link : LINKS) {
    if (symlinkat(link.target, dev, link.name) < 0 && errno != EEXIST) fail("create link /dev", link.name);
  }
}

void mountDevices(int root, const Settings& settings) {
  {
    const Fd below = openPlainDirectory(root, "dev");
    check(mount("tmpfs", pathOf(below.get()).c_str(), "tmpfs", MS_NOSUID | MS_STRICTATIME | MS_NOEXEC, "mode=755,size=64m"), "mount", "/dev");
  }
  const Fd dev = openPlainDirectory(root, "dev");
  const mode_t mask = umask(0);
  makeUsualDevices(dev.get(), false);
  for (const DeviceSettings& device : settings.devices) makeDevice(dev.get(), device, false);
  umask(mask);
}

void mountDeviceSystems(int root, const Settings& settings) {
  const Fd dev = openPlainDirectory(root, "dev");
  mountBelow(dev, "pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
  if ((settings.namespacesOfHost & CLONE_NEWIPC) != 0) {
    bindFolderBelow(dev, "shm", "/dev/shm");
  } else if (settings.sharedMemorySize > 0) {
    const std::string size = "mode=1777,size=" + std::to_string(settings.sharedMemorySize);
    mountBelow(dev, "shm", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, size.c_str());
  }
  mountBelow(dev, "mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, nullptr);
}
