#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "../base/fd.h"
#include "attachments.h"
#include "settings.h"

/**
 * The container's log, in the format of Docker's json-file or local (log-entry.h).
 * A line longer than 16 KiB is written in parts, only the last of which ends in a newline. At `sizeMax` bytes, PATH becomes PATH.1, PATH.1 becomes PATH.2,
 * and so on up to `filesMax` files; with a compressor, all but PATH become NUMBER.gz, by a child, and a file may grow to twice `sizeMax` while it works. When the disk is full, entries are dropped (never half of one), and the container runs on.
 */
class Log {
 public:
  explicit Log(LogSettings settings);
  /** Adds an entry to what `flush` will write. */
  void append(std::string_view stream, std::string_view text);
  void flush();

 private:
  void openCurrent(int extraFlags);
  void rotate();
  /** False while a file is being compressed that the next rotation would rename, and there is still room. */
  bool canRotate();
  void compress(const std::string& path);

  LogSettings settings_;
  Fd file_;
  uint64_t size_ = 0;
  std::string pending_;
  /** Where entries in `pending_` end. */
  std::vector<size_t> ends_;
  pid_t compressing_ = -1;
};

/** One of the program's output streams: goes to who is attached as it comes, and is cut into lines for the log. */
class OutputStream {
 public:
  OutputStream(StreamKind kind, Fd source);
  /** Reads what is there, at most one buffer full; false at the end of the stream. `log` may be null. */
  bool drain(Log* log, Attachments& attachments);
  int fd() const { return source_.get(); }

 private:
  void take(Log& log, std::string_view data, bool isEnd);

  StreamKind kind_;
  Fd source_;
  std::string held_;
};
