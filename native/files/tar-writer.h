#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../base/fd.h"
#include "../unpack/tar-reader.h"

/** Writes a tar to a descriptor from front to back: POSIX.1-1988 (ustar), with a pax header before what that cannot say. Throws Failure. */
class TarWriter {
 public:
  explicit TarWriter(int fd) : fd_(fd) {}
  /** The entry without its content. */
  void begin(const TarEntry& entry);
  /**
   * The content of the entry: exactly its size. A file that has become longer is cut off there, one that has become shorter is filled up with zeros, as other programs
   * that archive files in use do.
   */
  void copy(const Fd& file, uint64_t size);
  /** The end of the archive, and everything out. */
  void finish();

 private:
  void put(std::string_view data);
  void pad(uint64_t size);
  void flush();
  void putHeader(const TarEntry& entry, char kind, uint64_t size);
  void putRecords(const TarEntry& entry);

  int fd_;
  std::string buffer_;
};
