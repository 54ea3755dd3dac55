#include "log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"
#include "../base/json-text.h"
#include "log-entry.h"

namespace {

constexpr size_t LINE_SIZE_MAX = 16384;
/** What is read at once, and about what is written at once. */
constexpr size_t PART_SIZE = 65536;

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
  if (settings_.isLocal) appendLocalEntry(pending_, stream, text);
  else appendJsonEntry(pending_, stream, text, settings_.attributes);
  if (settings_.sizeMax == 0 || size_ + pending_.size() <= settings_.sizeMax) {
    ends_.push_back(pending_.size());
    if (pending_.size() >= PART_SIZE) flush();
    return;
  }
  // The entry belongs into the next file; what came before it into this one.
  const std::string entry = pending_.substr(before);
  pending_.resize(before);
  flush();
  if (size_ > 0 && canRotate()) rotate();
  pending_ = entry;
  ends_.push_back(pending_.size());
}

void Log::flush() {
  if (pending_.empty() || !file_) {
    pending_.clear();
    ends_.clear();
    return;
  }
  const ssize_t written = retry([&] { return write(file_.get(), pending_.data(), pending_.size()); });
  if (written == static_cast<ssize_t>(pending_.size())) {
    size_ += pending_.size();
  } else if (written > 0) {
    // Cut at the last whole entry. Should even this fail, a reader skips the damaged one.
    size_t whole = 0;
    for (const size_t end : ends_) {
      if (end <= static_cast<size_t>(written)) whole = end;
    }
    size_ += whole;
    if (ftruncate(file_.get(), static_cast<off_t>(size_)) < 0) size_ += 0;
  }
  pending_.clear();
  ends_.clear();
  if (pending_.capacity() > 4 * PART_SIZE) pending_.shrink_to_fit();
  if (ends_.capacity() > PART_SIZE / 8) ends_.shrink_to_fit();
}

bool Log::canRotate() {
  if (compressing_ < 0) return true;
  const int options = size_ < 2 * settings_.sizeMax ? WNOHANG : 0;
  if (retry([&] { return waitpid(compressing_, nullptr, options); }) == 0) return false;
  compressing_ = -1;
  return true;
}

/** Keeps writing to the old file when it cannot be renamed: a log that is too long is better than none. */
void Log::rotate() {
  const auto nameOf = [&](unsigned number) { return number == 0 ? settings_.path : settings_.path + "." + std::to_string(number); };
  if (settings_.filesMax <= 1) {
    if (ftruncate(file_.get(), 0) == 0) size_ = 0;
    return;
  }
  for (unsigned number = settings_.filesMax - 1; number > 0; number--) {
    const std::string from = nameOf(number - 1);
    const std::string to = nameOf(number);
    // One of both forms is there: the other must not stay from before.
    if (rename(from.c_str(), to.c_str()) == 0) unlink((to + ".gz").c_str());
    if (number > 1 && rename((from + ".gz").c_str(), (to + ".gz").c_str()) == 0) unlink(to.c_str());
  }
  try {
    openCurrent(0);
  } catch (const Failure&) {
    // The descriptor of the renamed file is still open and takes the entries.
    return;
  }
  if (!settings_.compressor.empty()) compress(nameOf(1));
}

void Log::compress(const std::string& path) {
  const pid_t process = fork();
  if (process != 0) {
    compressing_ = process;
    return;
  }
  if (nice(10) < 0) errno = 0;
  close_range(3, ~0U, 0);
  execl(settings_.compressor.c_str(), "swarm-compress", path.c_str(), nullptr);
  // The file stays as it is.
  _exit(127);
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
