#include "log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "../base/error.h"
#include "../base/file.h"
#include "../base/json-text.h"

namespace {

constexpr size_t LINE_SIZE_MAX = 16384;
/** What is read at once, and about what is written at once. */
constexpr size_t PART_SIZE = 65536;

/** The time as RFC 3339 with nanoseconds. Text of the second is kept: a busy program's lines are many in one. */
class Timestamp {
 public:
  void appendTo(std::string& out) {
    timespec now = {};
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != second_) {
      tm parts = {};
      gmtime_r(&now.tv_sec, &parts);
      strftime(text_, sizeof text_, "%Y-%m-%dT%H:%M:%S", &parts);
      second_ = now.tv_sec;
    }
    char fraction[] = ".000000000Z";
    for (long rest = now.tv_nsec, digit = 9; digit > 0; rest /= 10, digit--) fraction[digit] = static_cast<char>('0' + rest % 10);
    out.append(text_).append(fraction);
  }

 private:
  time_t second_ = -1;
  char text_[32] = "";
};

Timestamp timestamp;

}  // namespace

Log::Log(LogSettings settings) : settings_(std::move(settings)) { openCurrent(0); }

void Log::openCurrent(int extraFlags) {
  file_ = openFile(settings_.path, O_WRONLY | O_APPEND | O_CREAT | extraFlags, 0640);
  struct stat info = {};
  check(fstat(file_.get(), &info), "stat", settings_.path);
  size_ = static_cast<uint64_t>(info.st_size);
}

void Log::append(std::string_view stream, std::string_view text) {
  const size_t before = pending_.size();
  pending_ += "{\"log\":\"";
  appendJson(pending_, text);
  pending_.append("\",\"stream\":\"").append(stream).append("\",\"time\":\"");
  timestamp.appendTo(pending_);
  pending_ += "\"}\n";
  if (settings_.sizeMax == 0 || size_ + pending_.size() <= settings_.sizeMax) {
    if (pending_.size() >= PART_SIZE) flush();
    return;
  }
  // The entry belongs into the next file; what came before it into this one.
  const std::string entry = pending_.substr(before);
  pending_.resize(before);
  flush();
  if (size_ > 0) rotate();
  pending_ = entry;
}

void Log::flush() {
  if (pending_.empty() || !file_) {
    pending_.clear();
    return;
  }
  const ssize_t written = retry([&] { return write(file_.get(), pending_.data(), pending_.size()); });
  if (written == static_cast<ssize_t>(pending_.size())) {
    size_ += pending_.size();
  } else if (written > 0) {
    // Cut at the last whole entry. Should even this fail, a reader skips the damaged line.
    const size_t whole = pending_.rfind('\n', static_cast<size_t>(written) - 1);
    size_ += whole == std::string::npos ? 0 : whole + 1;
    if (ftruncate(file_.get(), static_cast<off_t>(size_)) < 0) size_ += 0;
  }
  pending_.clear();
  if (pending_.capacity() > 4 * PART_SIZE) pending_.shrink_to_fit();
}

/** Keeps writing to the old file when it cannot be renamed: a log that is too long is better than none. */
void Log::rotate() {
  const auto nameOf = [&](unsigned number) { return number == 0 ? settings_.path : settings_.path + "." + std::to_string(number); };
  if (settings_.filesMax <= 1) {
    if (ftruncate(file_.get(), 0) == 0) size_ = 0;
    return;
  }
  for (unsigned number = settings_.filesMax - 1; number > 0; number--) rename(nameOf(number - 1).c_str(), nameOf(number).c_str());
  try {
    openCurrent(0);
  } catch (const Failure&) {
    // The descriptor of the renamed file is still open and takes the entries.
  }
}

OutputStream::OutputStream(StreamKind kind, Fd source) : kind_(kind), source_(std::move(source)) { makeNonBlocking(source_.get()); }

bool OutputStream::drain(Log* log, Attachments& attachments) {
  char part[PART_SIZE];
  const ssize_t count = retry([&] { return read(source_.get(), part, sizeof part); });
  if (count < 0 && errno == EAGAIN) return true;
  // A terminal that nobody has open any more ends with EIO.
  const std::string_view data(part, count > 0 ? static_cast<size_t>(count) : 0);
  if (!data.empty()) attachments.send(kind_, data);
  if (log != nullptr) take(*log, data, count <= 0);
  if (count > 0) return true;
  source_.reset();
  return false;
}

void OutputStream::take(Log& log, std::string_view data, bool isEnd) {
  const std::string_view name = kind_ == StreamKind::output ? "stdout" : "stderr";
  if (!held_.empty()) held_.append(data);
  std::string_view rest = held_.empty() ? data : std::string_view(held_);
  for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const size_t length = end + 1 <= LINE_SIZE_MAX ? end + 1 : LINE_SIZE_MAX - unfinishedUtf8(rest.substr(0, LINE_SIZE_MAX));
    log.append(name, rest.substr(0, length));
    rest.remove_prefix(length);
  }
  while (rest.size() >= LINE_SIZE_MAX) {
    const size_t length = LINE_SIZE_MAX - unfinishedUtf8(rest.substr(0, LINE_SIZE_MAX));
    log.append(name, rest.substr(0, length));
    rest.remove_prefix(length);
  }
  if (isEnd && !rest.empty()) {
    log.append(name, rest);
    rest = {};
  }
  std::string kept(rest);
  held_.swap(kept);
  log.flush();
}
