#include "paths.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>

#include "../base/error.h"
#include "../base/resolve.h"

namespace {

/** As the kernel follows them. */
constexpr int LINKS_MAX = 40;

int openPath(int root, const std::string& path, uint64_t resolve) { return openResolved(root, path, O_PATH, resolve | RESOLVE_NO_MAGICLINKS); }

/** Makes what is missing; false where a link is that leads to nothing. */
bool create(const Fd& parent, const std::string& name, bool isFile, const std::string& walked) {
  if (isFile) {
    const Fd made(openat(parent.get(), name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (made) return true;
  } else if (mkdirat(parent.get(), name.c_str(), 0755) == 0) {
    return true;
  }
  if (errno != EEXIST) fail(isFile ? "create" : "create directory", walked);
  return false;
}

/** What a link says, as a path of the root. */
std::string targetOf(const Fd& parent, const std::string& name, const std::string& folder) {
  char link[PATH_MAX];
  const ssize_t size = readlinkat(parent.get(), name.c_str(), link, sizeof link);
  if (size < 0) fail("read link", folder + "/" + name);
  const std::string target(link, static_cast<size_t>(size));
  return target[0] == '/' ? target : folder + "/" + target;
}

/** Step by step, so that what is missing on the way is made. */
Fd walkAndCreate(int root, std::string_view path, NodeKind kind, uint64_t resolve, int links = 0) {
  Fd parent(check(openPath(root, ".", resolve), "open", "the container's root"));
  std::string walked = ".";
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (name.empty() || name == ".") continue;
    const bool isLast = path.find_first_not_of('/') == std::string_view::npos;
    const std::string folder = walked;
    walked.append("/").append(name);
    // From the root each time, so that links are resolved as the kernel does it.
    int next = openPath(root, walked, resolve);
    if (next < 0 && errno == ENOENT) {
      if (!create(parent, name, isLast && kind == NodeKind::file, walked)) {
        // A link of the image to what is missing in it (/var/run to /run): that is made, within the root as everything.
        if ((resolve & RESOLVE_NO_SYMLINKS) != 0 || links == LINKS_MAX) fail("open in the container", walked, ELOOP);
        return walkAndCreate(root, targetOf(parent, name, folder).append("/").append(path), kind, resolve, links + 1);
      }
      next = openPath(root, walked, resolve);
    }
    parent = Fd(check(next, "open in the container", walked));
  }
  return parent;
}

Fd openOrCreate(int root, std::string_view path, NodeKind kind, uint64_t resolve) {
  // Nearly always all of it is there.
  Fd found(openPath(root, "./" + std::string(path), resolve));
  return found ? std::move(found) : walkAndCreate(root, path, kind, resolve);
}

}  // namespace

std::string pathOf(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

Fd openInRoot(int root, std::string_view path, NodeKind kind) { return openOrCreate(root, path, kind, RESOLVE_IN_ROOT); }

Fd openWithin(int root, const std::string& path) { return Fd(check(openPath(root, path, RESOLVE_IN_ROOT), "open", path)); }

Fd openPlainDirectory(int root, std::string_view path) { return openOrCreate(root, path, NodeKind::directory, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS); }

Fd openExisting(const std::string& path) {
  Fd found(openPath(AT_FDCWD, path, 0));
  if (!found && errno != ENOENT && errno != ENOTDIR) fail("open in the container", path);
  return found;
}
