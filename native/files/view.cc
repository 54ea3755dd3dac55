#include "view.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"
#include "../base/resolve.h"
#include "../shim/joined-process.h"
#include "../shim/mount-calls.h"
#include "../shim/rootfs.h"
#include "../shim/user-namespace.h"
#include "inode.h"
#include "refusal.h"

namespace {

constexpr int LINKS_MAX = 40;

void joinMounts(const Settings& settings) {
  const Fd process = openJoined(settings);
  const bool isRemapped = mapsOf(settings.joinedProcess).has_value();
  // Nobody in there may look into this process.
  check(setns(process.get(), CLONE_NEWNS | (isRemapped ? CLONE_NEWUSER : 0)), "join the container's mount namespace");
  if (isRemapped) becomeRoot();
}

bool isThere(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

/** The writable layer becomes the uppermost of those that are only read, below an empty one in memory that is gone with this process. */
Settings withoutWriting(Settings settings, bool hasUpper) {
  if (mkdir(settings.root.c_str(), 0700) < 0 && errno != EEXIST) fail("create directory", settings.root);
  check(mount("tmpfs", settings.root.c_str(), "tmpfs", 0, "mode=700"), "mount a file system in memory at", settings.root);
  if (hasUpper && isThere(settings.upper)) settings.layers.insert(settings.layers.begin(), settings.upper);
  settings.upper = settings.root + "/upper";
  settings.work = settings.root + "/work";
  settings.root += "/root";
  return settings;
}

void beApart() {
  check(unshare(CLONE_NEWNS), "unshare mount namespace");
  check(mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr), "make / a slave mount");
}

int lookUp(const std::string& path, uint64_t flags) {
  const Fd root = openFile("/", O_PATH | O_DIRECTORY);
  return openResolved(root.get(), path, flags | O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

}  // namespace

void enterFiles(const Settings& settings, bool isWritten) {
  if (settings.joinedProcess != 0) return joinMounts(settings);
  beApart();
  enterFilesystem(isWritten ? settings : withoutWriting(settings, true));
}

Fd openBareRoot(const Settings& settings) {
  if (settings.joinedProcess == 0) {
    beApart();
    Settings bare = withoutWriting(settings, true);
    bare.mounts.clear();
    enterFilesystem(bare);
    return openFile("/", O_PATH | O_DIRECTORY);
  }
  joinMounts(settings);
  return cloneMount(AT_FDCWD, "/", 0, "/", "open the container's root");
}

void enterImage(const Settings& settings) {
  beApart();
  Settings bare = withoutWriting(settings, false);
  bare.mounts.clear();
  enterFilesystem(bare);
}

Fd openPath(const std::string& path, bool isFollowed) {
  Fd node(lookUp(path, isFollowed ? 0 : O_NOFOLLOW));
  if (node) return node;
  if (errno == ENOENT) refuse("missing", "Could not find the file " + path);
  if (errno == ENOTDIR) refuse("invalid", path + " leads through a file that is not a directory");
  if (errno == ELOOP) refuse("invalid", path + " leads through too many links, or through one that is not followed");
  if (errno == ENAMETOOLONG) refuse("invalid", "the path is too long");
  fail("open in the container", path);
}

std::string finalTarget(const std::string& path) {
  std::string pending = path;
  std::string real;
  for (int links = 0; !pending.empty();) {
    const std::string part = takePart(pending);
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      real.erase(std::min(real.rfind('/'), real.size()));
      continue;
    }
    const Fd node(lookUp(real + "/" + part, O_NOFOLLOW));
    struct stat info = {};
    if (node && fstat(node.get(), &info) == 0 && S_ISLNK(info.st_mode)) {
      if (++links > LINKS_MAX) refuse("invalid", path + " leads through too many links");
      const std::string target = targetOf(node, path);
      if (!target.empty() && target[0] == '/') real.clear();
      pending = target + "/" + pending;
      continue;
    }
    real += "/" + part;
  }
  return real.empty() ? "/" : real;
}
