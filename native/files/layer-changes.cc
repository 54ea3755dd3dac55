#include "layer-changes.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <set>
#include <utility>
#include <vector>

#include "../base/error.h"
#include "../base/file.h"
#include "refusal.h"
#include "tree-archive.h"

namespace {

constexpr int DEPTH_MAX = 1000;
constexpr size_t WRITE_SIZE = 64 * 1024;

bool isSame(const struct stat& a, const struct stat& b) {
  return a.st_mode == b.st_mode && a.st_uid == b.st_uid && a.st_gid == b.st_gid && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

/** Nothing stands for a folder in which only other things changed. */
enum class Change : char { nothing = 0, added = 'A', changed = 'C', deleted = 'D' };

class Comparison {
 public:
  explicit Comparison(const Inodes& inodes) : inodes_(inodes) {}

  /** `before` is empty where the image has no such folder. Returns true when names came or went. */
  bool compare(const Fd& after, const Fd& before, const std::string& path) {
    if (path.size() >= PATH_MAX) refuse("invalid", "the path " + path.substr(0, 100) + "… is longer than " + std::to_string(PATH_MAX) + " bytes");
    std::vector<std::string> names = namesIn(inodes_, after);
    if (before && isOpaque(inodes_, after)) {
      // It hides the image's folder as a whole: what is not in it again is gone.
      const std::vector<std::string> hidden = namesIn(inodes_, before);
      names.insert(names.end(), hidden.begin(), hidden.end());
      std::sort(names.begin(), names.end());
      names.erase(std::unique(names.begin(), names.end()), names.end());
    }
    bool cameOrWent = false;
    for (const std::string& name : names) cameOrWent = compareOne(after, before, name, path + "/" + name) || cameOrWent;
    return cameOrWent;
  }

  void write(int output) const {
    std::string text;
    for (const auto& [change, path] : changes_) {
      if (change == Change::nothing) continue;
      text.append(1, static_cast<char>(change)).append(path).append(1, '\0');
      if (text.size() < WRITE_SIZE) continue;
      writeAll(output, text, "the list");
      text.clear();
    }
    writeAll(output, text, "the list");
  }

 private:
  bool compareOne(const Fd& parent, const Fd& parentBefore, const std::string& name, const std::string& path) {
    const Fd after = openNode(parent.get(), name);
    const Fd before = parentBefore ? openNode(parentBefore.get(), name) : Fd();
    const struct stat info = after ? infoOf(after, path) : (struct stat){};
    if (!after || isWhiteout(info)) {
      // A whiteout of nothing takes nothing away.
      if (before) changes_.emplace_back(Change::deleted, path);
      return static_cast<bool>(before);
    }
    const struct stat infoBefore = before ? infoOf(before, path) : (struct stat){};
    const size_t place = changes_.size();
    changes_.emplace_back(before ? Change::changed : Change::added, path);
    if (!S_ISDIR(info.st_mode)) return !before;
    const bool wasDirectory = S_ISDIR(infoBefore.st_mode);
    const Fd none;
    const bool cameOrWent = compare(after, wasDirectory ? before : none, path);
    if (wasDirectory && !cameOrWent && isSame(info, infoBefore)) changes_[place].first = Change::nothing;
    return !before;
  }

  const Inodes& inodes_;
  std::vector<std::pair<Change, std::string>> changes_;
};

uint64_t sizeBelow(const Fd& folder, const Inodes& inodes, std::set<std::pair<dev_t, ino_t>>& counted, int depth) {
  uint64_t size = 0;
  for (const std::string& name : namesIn(inodes, folder)) {
    const Fd node = openNode(folder.get(), name);
    if (!node) continue;
    const struct stat info = infoOf(node, name);
    if (S_ISDIR(info.st_mode)) {
      if (depth < DEPTH_MAX) size += sizeBelow(node, inodes, counted, depth + 1);
    } else if (info.st_nlink == 1 || counted.emplace(info.st_dev, info.st_ino).second) {
      size += static_cast<uint64_t>(info.st_size);
    }
  }
  return size;
}

}  // namespace

void writeChanges(const Fd& upper, const Inodes& inodes, int output) {
  Comparison comparison(inodes);
  comparison.compare(upper, openFile("/", O_PATH | O_DIRECTORY), "");
  comparison.write(output);
}

uint64_t sizeOfTree(const Fd& folder, const Inodes& inodes) {
  std::set<std::pair<dev_t, ino_t>> counted;
  return sizeBelow(folder, inodes, counted, 0);
}
