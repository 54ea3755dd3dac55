#include "tree-archive.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "../base/error.h"
#include "refusal.h"

namespace {

constexpr const char* WHITEOUT = ".wh.";
constexpr const char* OPAQUE = ".wh..wh..opq";

EntryKind kindOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return EntryKind::directory;
    case S_IFLNK: return EntryKind::symlink;
    case S_IFCHR: return EntryKind::charDevice;
    case S_IFBLK: return EntryKind::blockDevice;
    case S_IFIFO: return EntryKind::fifo;
    default: return EntryKind::file;
  }
}

TarEntry entryOf(const struct stat& info, const std::string& name) {
  TarEntry entry;
  entry.kind = kindOf(info.st_mode);
  entry.name = name;
  entry.mode = info.st_mode & 07777;
  entry.owner = info.st_uid;
  entry.group = info.st_gid;
  entry.modified.tv_sec = info.st_mtim.tv_sec;
  if (S_ISREG(info.st_mode)) entry.size = static_cast<uint64_t>(info.st_size);
  if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) {
    entry.major = major(info.st_rdev);
    entry.minor = minor(info.st_rdev);
  }
  return entry;
}

TarEntry markOf(const std::string& name) {
  TarEntry entry;
  entry.name = name;
  entry.mode = 0600;
  return entry;
}

}  // namespace

TreeArchive::TreeArchive(TarWriter& tar, const Inodes& inodes, TreeKind kind) : tar_(tar), inodes_(inodes), kind_(kind) {
  check(stat("/", &root_), "look at", "/");
}

void TreeArchive::add(const Fd& node, const std::string& name) {
  if (name.size() >= PATH_MAX) refuse("invalid", "the path " + name.substr(0, 100) + "… is longer than " + std::to_string(PATH_MAX) + " bytes");
  const struct stat info = infoOf(node, name);
  if (S_ISSOCK(info.st_mode)) return;
  TarEntry entry = entryOf(info, name);
  entry.attributes = inodes_.attributesOf(node);
  if (S_ISDIR(info.st_mode)) {
    entry.name += '/';
    tar_.begin(entry);
    if (kind_ == TreeKind::layer && isOpaque(inodes_, node)) tar_.begin(markOf(entry.name + OPAQUE));
    return addChildren(node, info, entry.name);
  }
  const auto [first, isNew] = info.st_nlink > 1 ? links_.try_emplace({info.st_dev, info.st_ino}, name) : std::pair{links_.end(), true};
  if (!isNew) {
    entry.kind = EntryKind::hardLink;
    entry.target = first->second;
    return tar_.begin(entry);
  }
  if (S_ISREG(info.st_mode)) return addFile(node, entry, info);
  if (S_ISLNK(info.st_mode)) entry.target = targetOf(node, name);
  tar_.begin(entry);
}

void TreeArchive::addContents(const Fd& folder) { addChildren(folder, infoOf(folder, "/"), ""); }

void TreeArchive::addChildren(const Fd& folder, const struct stat& info, const std::string& prefix) {
  for (const std::string& child : namesIn(inodes_, folder)) {
    const Fd node = openNode(folder.get(), child);
    if (!node) continue;
    const std::string name = prefix + child;
    const struct stat childInfo = infoOf(node, name);
    if (kind_ == TreeKind::layer) {
      if (child.rfind(WHITEOUT, 0) == 0) refuse("invalid", "the file /" + name + " cannot be in an image: names that begin with .wh. mean files that are gone");
      if (isWhiteout(childInfo)) {
        tar_.begin(markOf(prefix + WHITEOUT + child));
        continue;
      }
    } else if (isOthers(node, childInfo, info, child)) {
      TarEntry entry = entryOf(childInfo, name + "/");
      tar_.begin(entry);
      continue;
    }
    add(node, name);
  }
}

void TreeArchive::addFile(const Fd& node, TarEntry& entry, const struct stat& info) {
  // Opened by its inode: another one that took the name meanwhile, a device perhaps, is not touched.
  const Fd file = inodes_.open(node, O_RDONLY);
  tar_.begin(entry);
  tar_.copy(file, static_cast<uint64_t>(info.st_size));
}

/** What the kernel shows of itself where it is mounted is no content; devices neither. */
bool TreeArchive::isOthers(const Fd& node, const struct stat& info, const struct stat& parent, const std::string& child) const {
  if (!S_ISDIR(info.st_mode) || info.st_dev == parent.st_dev) return false;
  if (child == "dev" && parent.st_dev == root_.st_dev && parent.st_ino == root_.st_ino) return true;
  struct statfs system = {};
  check(fstatfs(node.get(), &system), "statfs", child);
  return system.f_type == PROC_SUPER_MAGIC || system.f_type == SYSFS_MAGIC;
}

std::vector<std::string> namesIn(const Inodes& inodes, const Fd& folder) {
  Fd opened = inodes.open(folder, O_RDONLY | O_DIRECTORY);
  DIR* directory = fdopendir(opened.get());
  if (directory == nullptr) fail("open directory");
  opened.release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  const int error = errno;
  closedir(directory);
  // A folder that was removed while it is open has no content any more.
  if (error != 0 && error != ENOENT) fail("read directory", {}, error);
  std::sort(names.begin(), names.end());
  return names;
}

bool isWhiteout(const struct stat& info) { return S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0); }

bool isOpaque(const Inodes& inodes, const Fd& folder) {
  return inodes.attributeOf(folder, "trusted.overlay.opaque") == "y" || inodes.attributeOf(folder, "user.overlay.opaque") == "y";
}
