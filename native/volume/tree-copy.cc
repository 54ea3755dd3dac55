#include "tree-copy.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <climits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "../base/error.h"
#include "../base/file.h"

namespace {

/** A file that is not complete yet; one that a crash left is replaced. */
constexpr const char* UNFINISHED = ".swarm-volume-unfinished";
constexpr size_t COPY_SIZE = 128 * 1024;
/** The most that an extended attribute has. */
constexpr size_t VALUE_SIZE = 64 * 1024;

std::vector<std::string> namesIn(int directory) {
  DIR* stream = fdopendir(check(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open", "a directory"));
  if (stream == nullptr) fail("read", "a directory");
  std::vector<std::string> names;
  while (const dirent* entry = readdir(stream)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(stream);
  return names;
}

/** In which overlayfs keeps its own books: seen where a layer is alone, as its marks are. */
bool isOverlays(std::string_view attribute) { return attribute.substr(0, 16) == "trusted.overlay." || attribute.substr(0, 13) == "user.overlay."; }

void copyExtended(int from, int to) {
  std::string list(static_cast<size_t>(std::max<ssize_t>(flistxattr(from, nullptr, 0), 0)), '\0');
  const ssize_t length = flistxattr(from, list.data(), list.size());
  if (length < 0 && errno != ENOTSUP) fail("list attributes");
  std::string value(VALUE_SIZE, '\0');
  for (size_t at = 0; length > 0 && at < static_cast<size_t>(length); at += list.substr(at).find('\0') + 1) {
    const char* name = list.c_str() + at;
    if (isOverlays(name)) continue;
    const ssize_t size = fgetxattr(from, name, value.data(), value.size());
    if (size < 0) continue;
    // The file system of the volume may keep none of that kind.
    if (fsetxattr(to, name, value.data(), static_cast<size_t>(size), 0) < 0 && errno != ENOTSUP) fail("set the attribute", name);
  }
}

class TreeCopy {
 public:
  explicit TreeCopy(int root) : root_(root) {}

  /** Both are open directories, whose names are for messages. */
  void copy(int from, int to, const std::string& path) {
    for (const std::string& name : namesIn(from)) copyEntry(from, to, name, path + "/" + name);
  }

 private:
  void copyEntry(int from, int to, const std::string& name, const std::string& path) {
    struct stat info = {};
    check(fstatat(from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW), "look at", path);
    // A layer alone is no overlay, which would hide its marks of what is gone.
    const bool isWhiteout = S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0);
    if (S_ISSOCK(info.st_mode) || isWhiteout) return;
    if (S_ISDIR(info.st_mode)) return copyDirectory(from, to, name, path);
    struct stat present = {};
    if (fstatat(to, name.c_str(), &present, AT_SYMLINK_NOFOLLOW) == 0) return;
    if (info.st_nlink > 1 && linkToCopy(info, to, name, path)) return;
    if (S_ISREG(info.st_mode)) copyFile(from, to, name, path, info);
    else copySpecial(from, to, name, path, info);
    if (info.st_nlink > 1) copies_.emplace(std::pair(info.st_dev, info.st_ino), path);
  }

  void copyDirectory(int from, int to, const std::string& name, const std::string& path) {
    if (mkdirat(to, name.c_str(), 0700) < 0 && errno != EEXIST) fail("create directory", path);
    const Fd source(check(openat(from, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open directory", path));
    const Fd target(openat(to, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    // Something else has that name already, and stays.
    if (!target) return;
    copy(source.get(), target.get(), path);
    copyAttributes(source.get(), target.get());
  }

  void copyFile(int from, int to, const std::string& name, const std::string& path, const struct stat& info) {
    const Fd source(check(openat(from, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), "open", path));
    if (unlinkat(to, UNFINISHED, 0) < 0 && errno != ENOENT) fail("remove", UNFINISHED);
    const Fd target(check(openat(to, UNFINISHED, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600), "create", path));
    static char buffer[COPY_SIZE];
    while (const ssize_t count = check(static_cast<int>(retry([&] { return read(source.get(), buffer, sizeof buffer); })), "read", path)) {
      writeAll(target.get(), std::string_view(buffer, static_cast<size_t>(count)), path);
    }
    copyAttributes(source.get(), target.get());
    const timespec times[2] = {info.st_atim, info.st_mtim};
    check(futimens(target.get(), times), "set the time of", path);
    check(renameat(to, UNFINISHED, to, name.c_str()), "name", path);
  }

  void copySpecial(int from, int to, const std::string& name, const std::string& path, const struct stat& info) {
    if (S_ISLNK(info.st_mode)) {
      char link[PATH_MAX];
      const ssize_t size = readlinkat(from, name.c_str(), link, sizeof link - 1);
      if (size < 0) fail("read the link", path);
      link[size] = '\0';
      check(symlinkat(link, to, name.c_str()), "create the link", path);
    } else {
      check(mknodat(to, name.c_str(), info.st_mode, info.st_rdev), "create the special file", path);
    }
    check(fchownat(to, name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW), "set the owner of", path);
    const timespec times[2] = {info.st_atim, info.st_mtim};
    check(utimensat(to, name.c_str(), times, AT_SYMLINK_NOFOLLOW), "set the time of", path);
  }

  /** One more name of a file that was copied: found again from the volume's own root, without following links. */
  bool linkToCopy(const struct stat& info, int to, const std::string& name, const std::string& path) {
    const auto copied = copies_.find({info.st_dev, info.st_ino});
    if (copied == copies_.end()) return false;
    const Fd original = openCopy(copied->second);
    if (!original) return false;
    check(linkat(AT_FDCWD, ("/proc/self/fd/" + std::to_string(original.get())).c_str(), to, name.c_str(), AT_SYMLINK_FOLLOW), "link", path);
    return true;
  }

  Fd openCopy(const std::string& path) const {
    Fd folder(dup(root_));
    for (size_t begin = 1; folder && begin <= path.size();) {
      const size_t slash = std::min(path.find('/', begin), path.size());
      const bool isLast = slash == path.size();
      folder = Fd(openat(folder.get(), path.substr(begin, slash - begin).c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC | (isLast ? 0 : O_DIRECTORY)));
      begin = slash + 1;
    }
    struct stat info = {};
    // A link is copied as one of its own: only what is opened as a file can be linked to by its descriptor.
    if (!folder || fstat(folder.get(), &info) < 0 || !S_ISREG(info.st_mode)) return Fd();
    return folder;
  }

  int root_;
  /** Files of several names, by what they are, with the path of their copy below the root. */
  std::map<std::pair<dev_t, ino_t>, std::string> copies_;
};

}  // namespace

void copyAttributes(int from, int to) {
  struct stat info = {};
  check(fstat(from, &info), "look at", "a file of the image");
  // Owner first: changing it takes set-user-id bits and capabilities away.
  check(fchown(to, info.st_uid, info.st_gid), "set the owner");
  check(fchmod(to, info.st_mode & 07777), "set the mode");
  copyExtended(from, to);
}

bool copyTree(int from, int to) {
  if (namesIn(from).empty()) return false;
  TreeCopy(to).copy(from, to, "");
  return true;
}
