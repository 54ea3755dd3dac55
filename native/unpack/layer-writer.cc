#include "layer-writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>

#include "../base/error.h"
#include "../base/file.h"
#include "archive-error.h"
#include "place-contents.h"

namespace {

constexpr const char* WHITEOUT = ".wh.";
constexpr const char* META = ".wh..wh.";
constexpr const char* OPAQUE = ".wh..wh..opq";
constexpr size_t COPY_SIZE = 128 * 1024;
/** Writing begins at once, so that the disk is not left with all of it for the end. */
constexpr uint64_t WRITE_EARLY_SIZE = 4 * 1024 * 1024;
constexpr size_t DROPPED_MAX = 5;

bool beginsWith(const std::string& text, std::string_view beginning) { return text.compare(0, beginning.size(), beginning) == 0; }

/** Attributes in which overlayfs keeps its own books: an image has no say in them. */
bool isOverlays(const std::string& attribute) { return beginsWith(attribute, "trusted.overlay.") || beginsWith(attribute, "user.overlay."); }

/** What aufs kept for itself is no content: names that begin with .wh..wh., and what lies below them; but for the one that means an opaque folder. */
bool isAufsOwn(const std::string& name) {
  const size_t at = beginsWith(name, META) ? 0 : name.find(std::string("/") + META);
  if (at == std::string::npos) return false;
  return name.compare(name[at] == '/' ? at + 1 : at, std::string::npos, OPAQUE) != 0;
}

void setTime(int folder, const std::string& name, timespec time) {
  const timespec times[2] = {usableTime(time), usableTime(time)};
  check(utimensat(folder, name.c_str(), times, AT_SYMLINK_NOFOLLOW), "set the time of", name);
}

}  // namespace

void LayerWriter::add(const TarEntry& entry, TarReader& archive) {
  summary_.entries++;
  try {
    if (isAufsOwn(entry.name)) return;
    const Place place = folder_.place(entry.name);
    if (place.name.empty() && entry.kind != EntryKind::directory) badArchive("archive entry \"" + entry.name + "\" would replace the root folder");
    if (beginsWith(place.name, WHITEOUT)) addWhiteout(place, entry);
    else if (entry.kind == EntryKind::hardLink) addHardLink(entry);
    else addTo(place, entry, archive);
    if (staleNames_) folder_.forget();
    staleNames_ = false;
  } catch (const Failure& failure) {
    if (failure.error == ENAMETOOLONG) badArchive("archive entry \"" + entry.name.substr(0, 200) + "…\" has a name that is too long");
    failWith("archive entry \"" + entry.name + "\": " + failure.text, failure.error);
  }
}

LayerSummary LayerWriter::finish() {
  // Innermost first: setting the time of a folder's child would move its own.
  for (auto item = directoryTimes_.rbegin(); item != directoryTimes_.rend(); item++) {
    const Fd directory = folder_.openDirectory(item->first);
    // Replaced by a later entry.
    if (!directory) continue;
    const timespec times[2] = {usableTime(item->second), usableTime(item->second)};
    check(futimens(directory.get(), times), "set the time of", item->first);
  }
  return std::move(summary_);
}

void LayerWriter::addTo(const Place& place, const TarEntry& entry, TarReader& archive) {
  switch (entry.kind) {
    case EntryKind::file:
      return addFile(place, entry, archive);
    case EntryKind::directory:
      return addDirectory(place, entry);
    case EntryKind::symlink:
      clear(place, entry);
      staleNames_ = true;
      check(symlinkat(entry.target.c_str(), place.folder, place.name.c_str()), "create a link");
      break;
    default:
      clear(place, entry);
      addNode(place, entry);
  }
  setOwner(place, entry);
  if (entry.kind != EntryKind::symlink) check(fchmodat(place.folder, place.name.c_str(), entry.mode, 0), "set the mode");
  setAttributes(place, entry);
  setTime(place.folder, place.name, entry.modified);
}

/** A whiteout hides lower layers alone: what the archive itself put there stays, and a directory then hides what is below it. */
void LayerWriter::addWhiteout(const Place& place, const TarEntry& entry) {
  if (place.name == OPAQUE) return makeOpaque(place.folder, ".");
  const std::string name = place.name.substr(strlen(WHITEOUT));
  if (name.empty() || name == "." || name == "..") badArchive("archive entry \"" + entry.name + "\" is a whiteout of nothing");
  struct stat info = {};
  if (fstatat(place.folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
    if (S_ISDIR(info.st_mode)) makeOpaque(place.folder, name);
    return;
  }
  check(mknodat(place.folder, name.c_str(), S_IFCHR, makedev(0, 0)), "create a whiteout");
}

void LayerWriter::addFile(const Place& place, const TarEntry& entry, TarReader& archive) {
  clear(place, entry);
  const Fd file(check(openat(place.folder, place.name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600), "create a file"));
  static char buffer[COPY_SIZE];
  uint64_t written = 0;
  uint64_t begun = 0;
  while (const size_t count = archive.read(buffer, sizeof buffer)) {
    writeAll(file.get(), std::string_view(buffer, count), place.name);
    written += count;
    if (written - begun < WRITE_EARLY_SIZE) continue;
    // Only a hint: what it cannot do is done by the sync at the end.
    static_cast<void>(sync_file_range(file.get(), static_cast<off_t>(begun), static_cast<off_t>(written - begun), SYNC_FILE_RANGE_WRITE));
    begun = written;
  }
  summary_.size += written;
  // Owner first: changing it takes set-user-id bits and capabilities away.
  if (geteuid() == 0) check(fchown(file.get(), entry.owner, entry.group), "set the owner");
  check(fchmod(file.get(), entry.mode), "set the mode");
  setAttributes(place, entry);
  const timespec times[2] = {usableTime(entry.modified), usableTime(entry.modified)};
  check(futimens(file.get(), times), "set the time");
}

void LayerWriter::addDirectory(const Place& place, const TarEntry& entry) {
  const std::string name = place.name.empty() ? "." : place.name;
  const bool wasThere = place.name.empty() || clear(place, entry);
  struct stat info = {};
  const bool isThere = fstatat(place.folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
  if (!isThere) {
    check(mkdirat(place.folder, name.c_str(), 0755), "create a directory");
    // It takes the place of a whiteout.
    if (wasThere) makeOpaque(place.folder, name);
  }
  const Place itself{place.folder, name};
  setOwner(itself, entry);
  check(fchmodat(place.folder, name.c_str(), entry.mode, 0), "set the mode");
  setAttributes(itself, entry);
  directoryTimes_.emplace_back(entry.name, entry.modified);
}

void LayerWriter::addHardLink(const TarEntry& entry) {
  const std::string missing = "archive entry \"" + entry.name + "\" is a link to \"" + entry.target + "\", which is no file before it";
  Place source = folder_.find(entry.target);
  struct stat from = {};
  if (source.folder < 0 || source.name.empty() || fstatat(source.folder, source.name.c_str(), &from, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(from.st_mode)) badArchive(missing);
  const Fd folder(check(dup(source.folder), "dup"));
  const Place place = folder_.place(entry.name);
  struct stat to = {};
  // A link to itself, by whatever name.
  if (fstatat(place.folder, place.name.c_str(), &to, AT_SYMLINK_NOFOLLOW) == 0 && to.st_ino == from.st_ino && to.st_dev == from.st_dev) return;
  clear(place, entry);
  check(linkat(folder.get(), source.name.c_str(), place.folder, place.name.c_str(), 0), "create a link");
}

void LayerWriter::addNode(const Place& place, const TarEntry& entry) {
  const mode_t type = entry.kind == EntryKind::fifo ? S_IFIFO : entry.kind == EntryKind::charDevice ? S_IFCHR : S_IFBLK;
  check(mknodat(place.folder, place.name.c_str(), type | 0600, makedev(entry.major, entry.minor)), "create a special file");
}

/** An entry replaces an earlier one of its name, as tar does. */
bool LayerWriter::clear(const Place& place, const TarEntry& entry) {
  struct stat info = {};
  if (fstatat(place.folder, place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0) {
    if (errno == ENOENT) return false;
    fail("look at", place.name);
  }
  if (S_ISDIR(info.st_mode) && entry.kind == EntryKind::directory) return true;
  const bool wasGone = isWhiteout(place.folder, place.name);
  removeTree(place.folder, place.name);
  // Every place that is in use now stays open; only names are looked up anew.
  if (S_ISDIR(info.st_mode) || S_ISLNK(info.st_mode)) staleNames_ = true;
  return wasGone;
}

void LayerWriter::setOwner(const Place& place, const TarEntry& entry) {
  if (geteuid() == 0) check(fchownat(place.folder, place.name.c_str(), entry.owner, entry.group, AT_SYMLINK_NOFOLLOW), "set the owner");
}

void LayerWriter::setAttributes(const Place& place, const TarEntry& entry) {
  if (entry.attributes.empty()) return;
  const std::string path = "/proc/self/fd/" + std::to_string(place.folder) + "/" + place.name;
  for (const auto& [name, value] : entry.attributes) {
    if (isOverlays(name)) continue;
    if (lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0) continue;
    if (errno != ENOTSUP) fail("set the attribute", name);
    if (summary_.dropped.size() < DROPPED_MAX) summary_.dropped.push_back(name + " of " + entry.name);
  }
}
