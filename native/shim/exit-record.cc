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

}  // namespace

ExitRecord::ExitRecord(const std::string& folder) : folder_(folder) {
  if (folder.empty()) return;
  file_ = openFile(folder + "/exit.new", O_RDWR | O_CREAT | O_TRUNC, 0600);
  writeAll(file_.get(), std::string(RESERVED_SIZE, ' '), folder + "/exit.new");
  // Of an earlier run.
  unlink((folder + "/exit").c_str());
}

void ExitRecord::publish(std::string text) {
  if (!file_) return;
  try {
    store(std::move(text));
  } catch (const Failure&) {
    // The daemon hears it from the socket all the same; one that is not there reads no record, and reports the status as unknown.
  }
}

void ExitRecord::store(std::string text) {
  // White space after the value is valid JSON.
  if (text.size() < RESERVED_SIZE) text.resize(RESERVED_SIZE, ' ');
  if (pwrite(file_.get(), text.data(), text.size(), 0) < 0) fail("write", folder_ + "/exit.new");
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
  std::string text = "{\"error\":\"";
  appendJson(text, reason);
  text += "\"}";
  publish(text);
  return text;
}

uint64_t nowNs() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000ULL + static_cast<uint64_t>(now.tv_nsec);
}
