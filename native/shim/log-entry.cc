#include "log-entry.h"

#include <time.h>

#include <cstdint>

#include "../base/json-text.h"

namespace {

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

void appendVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void appendBytes(std::string& out, char key, std::string_view bytes) {
  out.push_back(key);
  appendVarint(out, bytes.size());
  out.append(bytes);
}

constexpr char SOURCE = 0x0a;
constexpr char TIME = 0x10;
constexpr char LINE = 0x1a;
constexpr char PARTIAL = 0x20;
constexpr size_t LENGTH_SIZE = 4;

void putLength(char* at, size_t length) {
  for (int shift = 24; shift >= 0; shift -= 8) *at++ = static_cast<char>(length >> shift);
}

}  // namespace

void appendJsonEntry(std::string& out, std::string_view stream, std::string_view text, const std::string& attributes) {
  out += "{\"log\":\"";
  appendJson(out, text);
  out.append("\",\"stream\":\"").append(stream).append("\",");
  if (!attributes.empty()) out.append("\"attrs\":").append(attributes).append(",");
  out += "\"time\":\"";
  timestamp.appendTo(out);
  out += "\"}\n";
}

void appendLocalEntry(std::string& out, std::string_view stream, std::string_view text) {
  const size_t begin = out.size();
  const bool isPartial = text.empty() || text.back() != '\n';
  if (!isPartial) text.remove_suffix(1);
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  out.append(LENGTH_SIZE, '\0');
  appendBytes(out, SOURCE, stream);
  out.push_back(TIME);
  appendVarint(out, static_cast<uint64_t>(now.tv_sec) * 1000000000ULL + static_cast<uint64_t>(now.tv_nsec));
  appendBytes(out, LINE, text);
  if (isPartial) out.append({PARTIAL, 1});
  const size_t length = out.size() - begin - LENGTH_SIZE;
  out.append(LENGTH_SIZE, '\0');
  putLength(out.data() + begin, length);
  putLength(out.data() + out.size() - LENGTH_SIZE, length);
}
