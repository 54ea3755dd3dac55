#include "tree-walk.h"

#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>

#include "../base/error.h"

namespace {

/** Links are not followed. Changing the directory as it goes, it works below paths of any length. */
class Walk {
 public:
  explicit Walk(const std::string& folder) : folder_(folder) {
    char* roots[] = {folder_.data(), nullptr};
    stream_ = fts_open(roots, FTS_PHYSICAL | FTS_XDEV, nullptr);
    if (stream_ == nullptr) fail("read", folder);
  }
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;
  ~Walk() { fts_close(stream_); }

  FTSENT* next() {
    errno = 0;
    FTSENT* entry = fts_read(stream_);
    if (entry == nullptr && errno != 0) fail("read", folder_);
    return entry;
  }

 private:
  std::string folder_;
  FTS* stream_;
};

bool hasFailed(const FTSENT& entry) {
  // What is gone meanwhile is as good as never seen.
  return (entry.fts_info == FTS_DNR || entry.fts_info == FTS_ERR || entry.fts_info == FTS_NS) && entry.fts_errno != ENOENT;
}

}  // namespace

uint64_t sizeOfTree(const std::string& folder) {
  Walk walk(folder);
  std::set<ino_t> counted;
  uint64_t size = 0;
  while (const FTSENT* entry = walk.next()) {
    if (hasFailed(*entry)) fail("read", entry->fts_path, entry->fts_errno);
    if (entry->fts_info != FTS_F && entry->fts_info != FTS_SL) continue;
    const struct stat& info = *entry->fts_statp;
    if (info.st_nlink > 1 && !counted.insert(info.st_ino).second) continue;
    size += static_cast<uint64_t>(info.st_size);
  }
  return size;
}

void removeTree(const std::string& folder) {
  Walk walk(folder);
  dev_t device = 0;
  while (const FTSENT* entry = walk.next()) {
    if (entry->fts_info == FTS_D) {
      if (entry->fts_level == FTS_ROOTLEVEL) device = entry->fts_dev;
      else if (entry->fts_statp->st_dev != device) failWith("something is mounted at " + std::string(entry->fts_path), EBUSY);
      continue;
    }
    if (hasFailed(*entry)) fail("remove", entry->fts_path, entry->fts_errno);
    const int flags = entry->fts_info == FTS_DP ? AT_REMOVEDIR : 0;
    if (unlinkat(AT_FDCWD, entry->fts_accpath, flags) < 0 && errno != ENOENT) fail("remove", entry->fts_path);
  }
}
