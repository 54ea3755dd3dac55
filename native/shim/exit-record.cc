#include "exit-record.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>

#include "../base/error.h"
#include "../base/file.h"
#include "../base/json-text.h"

namespace {

constexpr size_t RESERVED_SIZE = 1024;
/** Of a reason that fits into it, though each of its bytes be written as six. */
constexpr size_t SHORT_REASON_SIZE = 150;

std::string failureText(const std::string& reason) {
  std::string text = "{\"error\":\"";
  appendJson(text, reason);
  return text + "\"}";
}

}  // namespace

ExitRecord::ExitRecord(const std::string& folder) : folder_(folder) {
  if (folder.empty()) return;
  file_ = openFile(folder + "/exit.new", O_RDWR | O_CREAT | O_TRUNC, 0600);
  writeAll(file_.get(), std::string(RESERVED_SIZE, ' '), folder + "/exit.new");
  // Of an earlier run.
  unlink((folder + "/exit").c_str());
}

bool ExitRecord::publish(std::string text) {
  if (!file_) return true;
  try {
    store(std::move(text));
    return true;
  } catch (const Failure&) {
    // The daemon hears it from the socket all the same; one that is not there reads no record, and reports the status as unknown.
    return false;
  }
}

void ExitRecord::store(std::string text) {
  // White space after the value is valid JSON.
  if (text.size() < RESERVED_SIZE) text.resize(RESERVED_SIZE, ' ');
  for (size_t at = 0; at < text.size();) {
    const ssize_t written = retry([&] { return pwrite(file_.get(), text.data() + at, text.size() - at, static_cast<off_t>(at)); });
    if (written < 0) fail("write", folder_ + "/exit.new");
    at += static_cast<size_t>(written);
  }
  check(ftruncate(file_.get(), static_cast<off_t>(text.size())), "cut", folder_ + "/exit.new");
  check(fdatasync(file_.get()), "sync", folder_ + "/exit.new");
  check(rename((folder_ + "/exit.new").c_str(), (folder_ + "/exit").c_str()), "rename", folder_ + "/exit.new");
  check(fsync(openFile(folder_, O_RDONLY | O_DIRECTORY).get()), "sync", folder_);
}

std::string ExitRecord::writeExit(const Exit& exit, pid_t process, uint64_t startedAtNs) {
  char text[256];
  snprintf(text, sizeof text, "{\"exitCode\":%d,\"isOutOfMemory\":%s,\"pid\":%d,\"startedAtNs\":\"%llu\",\"finishedAtNs\":\"%llu\"}", exit.exitCode,
           exit.isOutOfMemory ? "true" : "false", process, static_cast<unsigned long long>(startedAtNs), static_cast<unsigned long long>(nowNs()));
  publish(text);
  return text;
}

std::string ExitRecord::writeFailure(const std::string& reason) {
  const std::string text = failureText(reason);
  // A disk that is full has room for what was reserved, and no more.
  if (!publish(text)) publish(failureText(reason.substr(0, SHORT_REASON_SIZE) + "…"));
  return text;
}

uint64_t nowNs() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000ULL + static_cast<uint64_t>(now.tv_nsec);
}
