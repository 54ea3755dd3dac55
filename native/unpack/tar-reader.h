#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "decompressor.h"

enum class EntryKind { file, hardLink, symlink, charDevice, blockDevice, directory, fifo };

/** One entry of a tar, whichever of its dialects said so: POSIX.1-1988 (ustar), POSIX.1-2001 (pax), GNU. */
struct TarEntry {
  EntryKind kind = EntryKind::file;
  std::string name;
  /** Target of a link. */
  std::string target;
  mode_t mode = 0;
  uid_t owner = 0;
  gid_t group = 0;
  uint64_t size = 0;
  timespec modified = {};
  unsigned major = 0;
  unsigned minor = 0;
  std::vector<std::pair<std::string, std::string>> attributes;
};

/** Reads a tar from front to back. Throws BadArchive that names the entry, or the offset where there is none yet. */
class TarReader {
 public:
  explicit TarReader(Source& source) : source_(source) {}
  /** False at the end of the archive; whatever follows it has been read, too. Content that was not read is skipped. */
  bool next(TarEntry& entry);
  /** Content of the entry; 0 at its end. */
  size_t read(char* data, size_t size);

 private:
  using Records = std::map<std::string, std::string>;
  bool readHeader(char* header);
  std::string readMeta(uint64_t size, const char* what);
  void addRecords(Records& records, const std::string& text);
  void readFields(const char* header, TarEntry& entry);
  void applyRecords(const Records& records, TarEntry& entry);
  void skip(uint64_t size);
  void readFully(char* data, size_t size);

  Source& source_;
  Records global_;
  /** Bytes of the entry's content and of its padding that were not read yet. */
  uint64_t left_ = 0;
  uint64_t padding_ = 0;
  uint64_t offset_ = 0;
  std::string current_;
};
