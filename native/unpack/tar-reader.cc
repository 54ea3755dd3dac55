#include "tar-reader.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "archive-error.h"

namespace {

constexpr size_t BLOCK = 512;
/** Bounds the memory that a hostile archive can ask for. */
constexpr uint64_t META_SIZE_MAX = 1024 * 1024;
/** Of one entry, with those that count for all from there on: a header may follow a header. */
constexpr uint64_t RECORDS_SIZE_MAX = 2 * META_SIZE_MAX;
constexpr const char* XATTR_PREFIX = "SCHILY.xattr.";

std::string textOf(const char* field, size_t size) { return std::string(field, strnlen(field, size)); }

uint64_t paddingOf(uint64_t size) { return (BLOCK - size % BLOCK) % BLOCK; }

/** Octal, or base 256 when the first bit is set (GNU). */
int64_t numberOf(const char* field, size_t size, const std::string& name) {
  const auto bytes = reinterpret_cast<const unsigned char*>(field);
  if ((bytes[0] & 0x80) != 0) {
    // Two's complement over all bytes but the marking bit.
    __int128 value = (bytes[0] & 0x40) != 0 ? -1 : 0;
    value = value * 64 + (bytes[0] & 0x3f);
    for (size_t i = 1; i < size; i++) {
      value = value * 256 + bytes[i];
      if (value > INT64_MAX || value < INT64_MIN) badArchive("not a valid archive: a number of entry \"" + name + "\" is out of range");
    }
    return static_cast<int64_t>(value);
  }
  int64_t value = 0;
  size_t i = 0;
  while (i < size && (field[i] == ' ' || field[i] == '\0')) i++;
  for (; i < size && field[i] != ' ' && field[i] != '\0'; i++) {
    if (field[i] < '0' || field[i] > '7') badArchive("not a valid archive: a number of entry \"" + name + "\" is not octal");
    value = value * 8 + (field[i] - '0');
  }
  return value;
}

bool isChecksumRight(const char* header) {
  const auto bytes = reinterpret_cast<const unsigned char*>(header);
  int64_t sum = 0;
  int64_t signedSum = 0;
  for (size_t i = 0; i < BLOCK; i++) {
    const bool isChecksum = i >= 148 && i < 156;
    sum += isChecksum ? ' ' : bytes[i];
    signedSum += isChecksum ? ' ' : static_cast<signed char>(bytes[i]);
  }
  int64_t given = 0;
  for (size_t i = 148; i < 156; i++) {
    if (header[i] >= '0' && header[i] <= '7') given = given * 8 + (header[i] - '0');
  }
  return given == sum || given == signedSum;
}

bool isDigits(std::string_view text) { return text.find_first_not_of("0123456789") == std::string_view::npos; }

int64_t decimalOf(std::string_view text, const std::string& key, const std::string& name) {
  const bool isNegative = !text.empty() && text[0] == '-';
  if (isNegative) text.remove_prefix(1);
  if (text.empty() || text.size() > 18 || !isDigits(text)) badArchive("not a valid archive: \"" + key + "\" of entry \"" + name + "\" is not a number");
  int64_t value = 0;
  for (char digit : text) value = value * 10 + (digit - '0');
  return isNegative ? -value : value;
}

/** Seconds with a fraction: "1234.5". */
timespec timeOf(std::string_view text, const std::string& name) {
  const size_t point = text.find('.');
  timespec time = {};
  time.tv_sec = decimalOf(text.substr(0, point), "mtime", name);
  if (point == std::string_view::npos) return time;
  std::string fraction(text.substr(point + 1, 9));
  if (!isDigits(fraction)) badArchive("not a valid archive: \"mtime\" of entry \"" + name + "\" is not a number");
  fraction.resize(9, '0');
  time.tv_nsec = decimalOf(fraction, "mtime", name);
  if (text[0] == '-' && time.tv_nsec > 0) {
    time.tv_sec--;
    time.tv_nsec = 1000000000 - time.tv_nsec;
  }
  return time;
}

EntryKind kindOf(char flag, const std::string& name) {
  switch (flag) {
    case '0':
    case '\0':
    case '7':
      // The oldest dialect tells a directory by its slash alone.
      return flag == '\0' && !name.empty() && name.back() == '/' ? EntryKind::directory : EntryKind::file;
    case '1':
      return EntryKind::hardLink;
    case '2':
      return EntryKind::symlink;
    case '3':
      return EntryKind::charDevice;
    case '4':
      return EntryKind::blockDevice;
    case '5':
      return EntryKind::directory;
    case '6':
      return EntryKind::fifo;
    case 'S':
      badArchive("archive entry \"" + name + "\" is a sparse file in GNU's form, which is not supported");
    default:
      badArchive("archive entry \"" + name + "\" is of the unknown type '" + std::string(1, flag) + "'");
  }
}

/** Owners are 32 bits wide, and the last value means "leave as it is" to the kernel. */
uint32_t ownerOf(int64_t value, const std::string& name) {
  if (value < 0 || value >= UINT32_MAX) badArchive("archive entry \"" + name + "\" has the owner " + std::to_string(value) + ", which is no id");
  return static_cast<uint32_t>(value);
}

void assertNoNul(const std::string& text, const char* what) {
  if (text.find('\0') != std::string::npos) badArchive(std::string("not a valid archive: ") + what + " with a zero byte");
}

}  // namespace

bool TarReader::next(TarEntry& entry) {
  skip(left_ + padding_);
  left_ = padding_ = 0;
  Records records = global_;
  std::string longName;
  std::string longTarget;
  for (;;) {
    char header[BLOCK];
    if (!readHeader(header)) return false;
    const char flag = header[156];
    const std::string name = textOf(header, 100);
    const int64_t size = numberOf(header + 124, 12, name);
    if (size < 0) badArchive("not a valid archive: the size of entry \"" + name + "\" is negative");
    if (flag == 'L') {
      longName = textOf(readMeta(static_cast<uint64_t>(size), "a long name").c_str(), META_SIZE_MAX);
    } else if (flag == 'K') {
      longTarget = textOf(readMeta(static_cast<uint64_t>(size), "a long link").c_str(), META_SIZE_MAX);
    } else if (flag == 'x' || flag == 'g') {
      const std::string text = readMeta(static_cast<uint64_t>(size), "a pax header");
      if (flag == 'g') addRecords(global_, text);
      addRecords(records, text);
    } else {
      entry = {};
      readFields(header, entry);
      if (!longName.empty()) entry.name = longName;
      if (!longTarget.empty()) entry.target = longTarget;
      entry.size = static_cast<uint64_t>(size);
      applyRecords(records, entry);
      entry.kind = kindOf(flag, entry.name);
      current_ = entry.name;
      // Only files have content: links may state the size of what they lead to.
      if (entry.kind != EntryKind::file) entry.size = 0;
      left_ = entry.size;
      padding_ = paddingOf(entry.size);
      return true;
    }
  }
}

size_t TarReader::read(char* data, size_t size) {
  if (left_ == 0) return 0;
  const size_t count = source_.read(data, static_cast<size_t>(std::min<uint64_t>(size, left_)));
  if (count == 0) badArchive("not a valid archive: it ends in the middle of entry \"" + current_ + "\"");
  left_ -= count;
  offset_ += count;
  return count;
}

/** The end is two blocks of zeros, or where the source ends between two entries. */
bool TarReader::readHeader(char* header) {
  size_t filled = 0;
  while (filled < BLOCK) {
    const size_t count = source_.read(header + filled, BLOCK - filled);
    if (count == 0) break;
    filled += count;
  }
  if (filled == 0) return false;
  const bool isEnd = std::all_of(header, header + filled, [](char byte) { return byte == 0; });
  if (!isEnd && filled < BLOCK) badArchive("not a valid archive: it ends in the middle of a header");
  if (!isEnd && !isChecksumRight(header)) badArchive("not a valid archive: there is no tar header at offset " + std::to_string(offset_));
  offset_ += filled;
  if (!isEnd) return true;
  char rest[BLOCK];
  while (source_.read(rest, sizeof rest) > 0) continue;
  return false;
}

std::string TarReader::readMeta(uint64_t size, const char* what) {
  if (size > META_SIZE_MAX) badArchive("not a valid archive: " + std::string(what) + " of " + std::to_string(size) + " bytes");
  std::string text(size, '\0');
  readFully(text.data(), text.size());
  skip(paddingOf(size));
  return text;
}

/** Records are "LENGTH KEY=VALUE\n"; the length counts all of it. An empty value takes a key back. */
void TarReader::addRecords(Records& records, const std::string& text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t space = rest.find(' ');
    if (space == std::string_view::npos) badArchive("not a valid archive: a pax header without a length");
    const int64_t length = decimalOf(rest.substr(0, space), "length", "pax header");
    if (length <= static_cast<int64_t>(space) + 1 || length > static_cast<int64_t>(rest.size()) || rest[static_cast<size_t>(length) - 1] != '\n') {
      badArchive("not a valid archive: a pax header with a wrong length");
    }
    const std::string_view record = rest.substr(space + 1, static_cast<size_t>(length) - space - 2);
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos) badArchive("not a valid archive: a pax header without a value");
    records[std::string(record.substr(0, equals))] = std::string(record.substr(equals + 1));
    rest.remove_prefix(static_cast<size_t>(length));
  }
  uint64_t size = 0;
  for (const auto& [key, value] : records) size += key.size() + value.size();
  if (size > RECORDS_SIZE_MAX) badArchive("not a valid archive: pax headers of more than " + std::to_string(RECORDS_SIZE_MAX) + " bytes");
}

void TarReader::readFields(const char* header, TarEntry& entry) {
  entry.name = textOf(header, 100);
  const bool isPosix = memcmp(header + 257, "ustar\0", 6) == 0;
  const bool isGnu = memcmp(header + 257, "ustar ", 6) == 0;
  const std::string prefix = isPosix ? textOf(header + 345, 155) : "";
  if (!prefix.empty()) entry.name = prefix + "/" + entry.name;
  entry.target = textOf(header + 157, 100);
  entry.mode = static_cast<mode_t>(numberOf(header + 100, 8, entry.name)) & 07777;
  entry.owner = ownerOf(numberOf(header + 108, 8, entry.name), entry.name);
  entry.group = ownerOf(numberOf(header + 116, 8, entry.name), entry.name);
  entry.modified.tv_sec = numberOf(header + 136, 12, entry.name);
  if (!isPosix && !isGnu) return;
  entry.major = static_cast<unsigned>(numberOf(header + 329, 8, entry.name));
  entry.minor = static_cast<unsigned>(numberOf(header + 337, 8, entry.name));
}

void TarReader::applyRecords(const Records& records, TarEntry& entry) {
  for (const auto& [key, value] : records) {
    if (key.rfind(XATTR_PREFIX, 0) == 0) {
      entry.attributes.emplace_back(key.substr(strlen(XATTR_PREFIX)), value);
      continue;
    }
    if (value.empty()) continue;
    if (key == "path") {
      entry.name = value;
    } else if (key == "linkpath") {
      entry.target = value;
    } else if (key == "size") {
      const int64_t size = decimalOf(value, key, entry.name);
      if (size < 0) badArchive("not a valid archive: the size of entry \"" + entry.name + "\" is negative");
      entry.size = static_cast<uint64_t>(size);
    } else if (key == "uid") {
      entry.owner = ownerOf(decimalOf(value, key, entry.name), entry.name);
    } else if (key == "gid") {
      entry.group = ownerOf(decimalOf(value, key, entry.name), entry.name);
    } else if (key == "mtime") {
      entry.modified = timeOf(value, entry.name);
    } else if (key.rfind("GNU.sparse.", 0) == 0) {
      badArchive("archive entry \"" + entry.name + "\" is a sparse file in GNU's form, which is not supported");
    }
  }
  assertNoNul(entry.name, "a name");
  assertNoNul(entry.target, "a link target");
}

void TarReader::skip(uint64_t size) {
  char scratch[16384];
  while (size > 0) {
    const size_t part = static_cast<size_t>(std::min<uint64_t>(size, sizeof scratch));
    readFully(scratch, part);
    size -= part;
  }
}

void TarReader::readFully(char* data, size_t size) {
  while (size > 0) {
    const size_t count = source_.read(data, size);
    if (count == 0) badArchive("not a valid archive: it ends in the middle" + (current_.empty() ? std::string() : " of entry \"" + current_ + "\""));
    data += count;
    size -= count;
    offset_ += count;
  }
}
