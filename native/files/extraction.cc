#include "extraction.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"
#include "../base/resolve.h"
#include "../unpack/archive-error.h"
#include "../unpack/entry-name.h"
#include "../unpack/place-contents.h"
#include "refusal.h"

namespace {

constexpr size_t COPY_SIZE = 128 * 1024;
constexpr const char* OVERLAY_ATTRIBUTES[] = {"trusted.overlay.", "user.overlay."};

std::string joined(const std::vector<std::string>& parts, size_t count) {
  std::string path = ".";
  for (size_t i = 0; i < count; i++) path += "/" + parts[i];
  return path;
}

/** Links are followed, within the root of this process, which is the container's; but for those of /proc that lead anywhere. */
Fd openBelow(const Fd& folder, const std::string& path, uint64_t flags) {
  return Fd(openResolved(folder.get(), path, flags, RESOLVE_NO_MAGICLINKS));
}

bool isOverlays(const std::string& attribute) {
  for (const char* prefix : OVERLAY_ATTRIBUTES) {
    if (attribute.rfind(prefix, 0) == 0) return true;
  }
  return false;
}

void setTime(const Fd& folder, timespec time) {
  const timespec times[2] = {usableTime(time), usableTime(time)};
  check(futimens(folder.get(), times), "set the time");
}

}  // namespace

void Extraction::add(const TarEntry& entry, TarReader& archive) {
  const std::vector<std::string> parts = partsOfName(entry.name);
  try {
    if (parts.empty()) {
      if (entry.kind != EntryKind::directory) badArchive("archive entry \"" + entry.name + "\" would replace the folder that it goes to");
      // What is there keeps its own mode and owner.
      return;
    }
    addBelow(folderAt(joined(parts, parts.size() - 1)), parts.back(), entry, archive);
  } catch (const Failure& failure) {
    if (failure.error == EROFS) refuse("denied", "archive entry \"" + entry.name + "\": this part of the container is read-only");
    failWith("archive entry \"" + entry.name + "\": " + failure.text, failure.error);
  }
}

void Extraction::finish() {
  // Innermost first: setting the time of a folder's child would move its own.
  for (auto item = folderTimes_.rbegin(); item != folderTimes_.rend(); item++) {
    const Fd folder = openBelow(folder_, item->first, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    // Somebody has removed or replaced it.
    if (folder) setTime(folder, item->second);
  }
}

void Extraction::addBelow(const Fd& parent, const std::string& name, const TarEntry& entry, TarReader& archive) {
  clear(parent, name, entry);
  if (entry.kind == EntryKind::hardLink) return makeLink(parent, name, entry);
  const Fd node = make(parent, name, entry, archive);
  const auto [owner, group] = options_.owner.value_or(std::pair{entry.owner, entry.group});
  // Owner first: changing it takes set-user-id bits and capabilities away.
  check(fchownat(node.get(), "", owner, group, AT_EMPTY_PATH), "set the owner");
  if (entry.kind != EntryKind::symlink) inodes_.setMode(node, entry.mode);
  for (const auto& [attribute, value] : entry.attributes) {
    // What a file system does not keep is left out, as by other programs that unpack.
    if (!isOverlays(attribute)) inodes_.setAttribute(node, attribute, value);
  }
  if (entry.kind == EntryKind::directory) {
    folderTimes_.emplace_back(joined(partsOfName(entry.name), partsOfName(entry.name).size()), entry.modified);
    return;
  }
  const timespec times[2] = {usableTime(entry.modified), usableTime(entry.modified)};
  check(utimensat(node.get(), "", times, AT_EMPTY_PATH), "set the time");
}

Fd Extraction::folderAt(const std::string& path) {
  Fd folder = openBelow(folder_, path, O_PATH | O_DIRECTORY);
  if (folder) return folder;
  if (errno != ENOENT) fail("open directory", path);
  const size_t slash = path.rfind('/');
  const Fd parent = folderAt(path.substr(0, slash));
  if (mkdirat(parent.get(), path.substr(slash + 1).c_str(), 0755) < 0 && errno != EEXIST) fail("create directory", path);
  folder = openBelow(folder_, path, O_PATH | O_DIRECTORY);
  // A link that leads nowhere: nothing is made at its other end.
  if (!folder) fail("open directory", path);
  return folder;
}

Fd Extraction::make(const Fd& parent, const std::string& name, const TarEntry& entry, TarReader& archive) {
  switch (entry.kind) {
    case EntryKind::file:
      return makeFile(parent, name, archive);
    case EntryKind::directory:
      if (mkdirat(parent.get(), name.c_str(), 0755) < 0 && errno != EEXIST) fail("create a directory");
      break;
    case EntryKind::symlink:
      check(symlinkat(entry.target.c_str(), parent.get(), name.c_str()), "create a link");
      break;
    default: {
      const mode_t type = entry.kind == EntryKind::fifo ? S_IFIFO : entry.kind == EntryKind::charDevice ? S_IFCHR : S_IFBLK;
      check(mknodat(parent.get(), name.c_str(), type | 0600, makedev(entry.major, entry.minor)), "create a special file");
    }
  }
  Fd node = openNode(parent.get(), name);
  const mode_t wanted = entry.kind == EntryKind::directory ? S_IFDIR : entry.kind == EntryKind::symlink ? S_IFLNK : 0;
  if (!node || (wanted != 0 && (infoOf(node, name).st_mode & S_IFMT) != wanted)) failWith("somebody else changes the same files", EBUSY);
  return node;
}

Fd Extraction::makeFile(const Fd& parent, const std::string& name, TarReader& archive) {
  Fd file(check(openat(parent.get(), name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600), "create a file"));
  static char buffer[COPY_SIZE];
  while (const size_t count = archive.read(buffer, sizeof buffer)) writeAll(file.get(), std::string_view(buffer, count), name);
  return file;
}

/** Its other name is one of the archive, as it is in the folder now. */
void Extraction::makeLink(const Fd& parent, const std::string& name, const TarEntry& entry) {
  const std::vector<std::string> parts = partsOfName(entry.target);
  const Fd folder = parts.empty() ? Fd() : openBelow(folder_, joined(parts, parts.size() - 1), O_PATH | O_DIRECTORY);
  const Fd node = folder ? openNode(folder.get(), parts.back()) : Fd();
  if (!node) badArchive("archive entry \"" + entry.name + "\" is a link to \"" + entry.target + "\", which is not there");
  check(linkat(folder.get(), parts.back().c_str(), parent.get(), name.c_str(), 0), "create a link");
}

/** An entry replaces what is there; only a directory goes into one. */
void Extraction::clear(const Fd& parent, const std::string& name, const TarEntry& entry) {
  struct stat info = {};
  if (fstatat(parent.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) {
    if (errno == ENOENT) return;
    fail("look at", name);
  }
  const bool wasDirectory = S_ISDIR(info.st_mode);
  const bool isDirectory = entry.kind == EntryKind::directory;
  if (wasDirectory && isDirectory) return;
  if (options_.keepsKinds && wasDirectory) refuse("invalid", "cannot overwrite directory \"" + entry.name + "\" with non-directory \"" + entry.name + "\"");
  if (options_.keepsKinds && isDirectory) refuse("invalid", "cannot overwrite non-directory \"" + entry.name + "\" with directory \"" + entry.name + "\"");
  removeTree(parent.get(), name);
}
