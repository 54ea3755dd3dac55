#include "tar-writer.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "../base/error.h"
#include "../base/file.h"

namespace {

constexpr size_t BLOCK = 512;
constexpr size_t BUFFER_SIZE = 256 * 1024;
constexpr size_t NAME_SIZE = 100;
/** What seven and eleven octal digits hold. */
constexpr uint64_t ID_MAX = 07777777;
constexpr int64_t LONG_MAX_OCTAL = 077777777777;

char flagOf(EntryKind kind) {
  switch (kind) {
    case EntryKind::file: return '0';
    case EntryKind::hardLink: return '1';
    case EntryKind::symlink: return '2';
    case EntryKind::charDevice: return '3';
    case EntryKind::blockDevice: return '4';
    case EntryKind::directory: return '5';
    case EntryKind::fifo: return '6';
  }
  failWith("an entry of no kind");
}

/** Octal digits that fill the field, but for the NUL at its end. What does not fit stands in the pax header. */
void putNumber(char* field, size_t size, uint64_t value) {
  const uint64_t limit = size == 12 ? static_cast<uint64_t>(LONG_MAX_OCTAL) : ID_MAX;
  snprintf(field, size, "%0*llo", static_cast<int>(size) - 1, static_cast<unsigned long long>(value > limit ? 0 : value));
}

void putText(char* field, size_t size, const std::string& text) { memcpy(field, text.data(), std::min(size, text.size())); }

/** "LENGTH KEY=VALUE\n", where the length counts its own digits. */
void addRecord(std::string& records, const std::string& key, const std::string& value) {
  const size_t rest = key.size() + value.size() + 3;
  size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) length++;
  records += std::to_string(length) + " " + key + "=" + value + "\n";
}

}  // namespace

void TarWriter::begin(const TarEntry& entry) {
  putRecords(entry);
  putHeader(entry, flagOf(entry.kind), entry.kind == EntryKind::file ? entry.size : 0);
}

void TarWriter::copy(const Fd& file, uint64_t size) {
  uint64_t left = size;
  while (left > 0) {
    const size_t before = buffer_.size();
    const size_t part = static_cast<size_t>(std::min<uint64_t>(left, BUFFER_SIZE - before));
    buffer_.resize(before + part);
    const ssize_t count = retry([&] { return read(file.get(), &buffer_[before], part); });
    if (count < 0) fail("read");
    if (count == 0) {
      buffer_.resize(before);
      break;
    }
    buffer_.resize(before + static_cast<size_t>(count));
    left -= static_cast<uint64_t>(count);
    if (buffer_.size() == BUFFER_SIZE) flush();
  }
  pad(left);
  pad((BLOCK - size % BLOCK) % BLOCK);
}

void TarWriter::finish() {
  pad(2 * BLOCK);
  flush();
}

void TarWriter::put(std::string_view data) {
  buffer_.append(data);
  if (buffer_.size() >= BUFFER_SIZE) flush();
}

void TarWriter::pad(uint64_t size) {
  static const std::string zeros(16384, '\0');
  for (; size > 0; size -= std::min<uint64_t>(size, zeros.size())) put(std::string_view(zeros).substr(0, size));
}

void TarWriter::flush() {
  writeAll(fd_, buffer_, "the archive");
  buffer_.clear();
}

void TarWriter::putHeader(const TarEntry& entry, char kind, uint64_t size) {
  char header[BLOCK] = {};
  putText(header, NAME_SIZE, entry.name);
  putNumber(header + 100, 8, entry.mode);
  putNumber(header + 108, 8, entry.owner);
  putNumber(header + 116, 8, entry.group);
  putNumber(header + 124, 12, size);
  putNumber(header + 136, 12, static_cast<uint64_t>(std::max<int64_t>(entry.modified.tv_sec, 0)));
  header[156] = kind;
  putText(header + 157, NAME_SIZE, entry.target);
  memcpy(header + 257, "ustar\0" "00", 8);
  putNumber(header + 329, 8, entry.major);
  putNumber(header + 337, 8, entry.minor);
  memset(header + 148, ' ', 8);
  unsigned sum = 0;
  for (const char byte : header) sum += static_cast<unsigned char>(byte);
  snprintf(header + 148, 8, "%06o", sum);
  put(std::string_view(header, sizeof header));
}

void TarWriter::putRecords(const TarEntry& entry) {
  std::string records;
  if (entry.name.size() > NAME_SIZE) addRecord(records, "path", entry.name);
  if (entry.target.size() > NAME_SIZE) addRecord(records, "linkpath", entry.target);
  if (entry.owner > ID_MAX) addRecord(records, "uid", std::to_string(entry.owner));
  if (entry.group > ID_MAX) addRecord(records, "gid", std::to_string(entry.group));
  if (entry.size > static_cast<uint64_t>(LONG_MAX_OCTAL)) addRecord(records, "size", std::to_string(entry.size));
  const int64_t seconds = entry.modified.tv_sec;
  if (seconds < 0 || seconds > LONG_MAX_OCTAL) addRecord(records, "mtime", std::to_string(seconds));
  for (const auto& [name, value] : entry.attributes) addRecord(records, "SCHILY.xattr." + name, value);
  if (records.empty()) return;
  TarEntry header;
  header.name = "PaxHeaders.0/entry";
  header.mode = 0644;
  putHeader(header, 'x', records.size());
  put(records);
  pad((BLOCK - records.size() % BLOCK) % BLOCK);
}
