#include "layer-folder.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <climits>

#include "../base/error.h"
#include "../base/resolve.h"
#include "archive-error.h"
#include "entry-name.h"

namespace {

constexpr int LINKS_MAX = 40;

/** Below the layer's own folder, which is empty. */
std::string cleanOf(const std::string& name) {
  std::string clean;
  for (const std::string& part : partsOfName(name)) {
    if (!clean.empty()) clean += '/';
    clean += part;
  }
  return clean;
}

std::string parentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string nameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string targetOf(int link) {
  char target[PATH_MAX];
  const ssize_t size = readlinkat(link, "", target, sizeof target);
  if (size < 0) fail("read a link");
  return std::string(target, static_cast<size_t>(size));
}

}  // namespace

LayerFolder::LayerFolder(const std::string& path) : root_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!root_) fail("open", path);
}

Place LayerFolder::place(const std::string& name) {
  const std::string path = cleanOf(name);
  if (path.empty()) return {root_.get(), ""};
  const std::string parent = parentOf(path);
  if (parent.empty()) return {root_.get(), nameOf(path)};
  if (last_ && parent == lastPath_) return {last_.get(), nameOf(path)};
  Fd folder = open(parent, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
  if (!folder) folder = makeDirectories(parent);
  last_ = std::move(folder);
  lastPath_ = parent;
  return {last_.get(), nameOf(path)};
}

Place LayerFolder::find(const std::string& name) {
  const std::string path = cleanOf(name);
  const std::string parent = parentOf(path);
  if (parent.empty()) return {root_.get(), path};
  last_ = open(parent, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
  lastPath_ = parent;
  return {last_.get(), nameOf(path)};
}

Fd LayerFolder::openDirectory(const std::string& name) const {
  const std::string path = cleanOf(name);
  return open(path.empty() ? "." : path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, RESOLVE_IN_ROOT);
}

void LayerFolder::forget() { last_.reset(); }

Fd LayerFolder::open(const std::string& path, int flags, unsigned long resolve) const {
  return Fd(openResolved(root_.get(), path, static_cast<unsigned>(flags), resolve | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV));
}

/** Follows links by hand, since one that leads nowhere names a folder to be made; each step is opened from the root without any link in it. */
Fd LayerFolder::makeDirectories(const std::string& path) {
  std::string pending = path;
  std::string real;
  for (int links = 0; !pending.empty();) {
    const std::string part = takePart(pending);
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      // Only in the target of a link; the layer's own folder is its own parent, as in a container.
      real = parentOf(real);
      continue;
    }
    const std::string next = real.empty() ? part : real + "/" + part;
    const Fd parent = real.empty() ? Fd(dup(root_.get())) : open(real, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
    if (!parent) fail("open directory", real);
    struct stat info = {};
    const bool isThere = fstatat(parent.get(), part.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (!isThere && errno != ENOENT) fail("look at", next);
    if (isThere && S_ISLNK(info.st_mode)) {
      if (++links > LINKS_MAX) badArchive("archive entry below \"" + path + "\" leads through too many links");
      const Fd link = open(next, O_PATH | O_NOFOLLOW, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
      if (!link) fail("open", next);
      const std::string target = targetOf(link.get());
      if (!target.empty() && target[0] == '/') real.clear();
      pending = target + "/" + pending;
      continue;
    }
    const bool wasGone = isThere && isWhiteout(parent.get(), part);
    if (isThere && !wasGone && !S_ISDIR(info.st_mode)) badArchive("archive entry below \"" + path + "\" lies in a file");
    if (wasGone) check(unlinkat(parent.get(), part.c_str(), 0), "remove", next);
    if (!isThere || wasGone) check(mkdirat(parent.get(), part.c_str(), 0755), "create directory", next);
    if (wasGone) makeOpaque(parent.get(), part);
    real = next;
  }
  Fd folder = real.empty() ? Fd(dup(root_.get())) : open(real, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
  if (!folder) fail("open directory", real);
  return folder;
}

void makeOpaque(int directory, const std::string& name) {
  const std::string path = "/proc/self/fd/" + std::to_string(directory) + "/" + name;
  check(lsetxattr(path.c_str(), "trusted.overlay.opaque", "y", 1, 0), "mark as opaque", name);
}

bool isWhiteout(int folder, const std::string& name) {
  struct stat info = {};
  return fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0);
}
