#include "json-text.h"

#include <cstdint>
#include <cstring>

namespace {

/** How long the character that begins with this byte is; 0 for a byte that begins none. */
size_t lengthOf(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  if (first >= 0xf0 && first <= 0xf4) return 4;
  return 0;
}

/** Length of the valid character at the start, or 0. Refuses overlong forms, surrogates and what is beyond U+10FFFF (RFC 3629). */
size_t validLength(std::string_view text) {
  const auto at = [&](size_t index) { return static_cast<unsigned char>(text[index]); };
  const size_t length = lengthOf(at(0));
  if (length == 0 || length > text.size()) return 0;
  for (size_t index = 1; index < length; index++) {
    if ((at(index) & 0xc0) != 0x80) return 0;
  }
  if (length == 3 && ((at(0) == 0xe0 && at(1) < 0xa0) || (at(0) == 0xed && at(1) > 0x9f))) return 0;
  if (length == 4 && ((at(0) == 0xf0 && at(1) < 0x90) || (at(0) == 0xf4 && at(1) > 0x8f))) return 0;
  return length;
}

void appendControl(std::string& out, unsigned char c) {
  static const char digits[] = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; break;
    case '\\': out += "\\\\"; break;
    case '\n': out += "\\n"; break;
    case '\r': out += "\\r"; break;
    case '\t': out += "\\t"; break;
    default: out.append("\\u00").append(1, digits[c >> 4]).append(1, digits[c & 15]);
  }
}

bool isPlain(unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

constexpr uint64_t ONES = 0x0101010101010101ULL;
constexpr uint64_t HIGHS = 0x8080808080808080ULL;

/** Non-zero if and only if one of the eight bytes is below `limit`, which is at most 0x80. */
uint64_t below(uint64_t bytes, unsigned char limit) { return (bytes - ONES * limit) & ~bytes & HIGHS; }

/** Eight bytes at once: a log is mostly text. */
bool arePlain(const char* eight) {
  uint64_t bytes = 0;
  memcpy(&bytes, eight, sizeof bytes);
  return ((bytes & HIGHS) | below(bytes, 0x20) | below(bytes ^ (ONES * '"'), 1) | below(bytes ^ (ONES * '\\'), 1) | below(bytes ^ (ONES * 0x7f), 1)) == 0;
}

size_t plainLength(std::string_view text) {
  size_t plain = 0;
  while (plain + 8 <= text.size() && arePlain(text.data() + plain)) plain += 8;
  while (plain < text.size() && isPlain(static_cast<unsigned char>(text[plain]))) plain++;
  return plain;
}

}  // namespace

void appendJson(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const size_t plain = plainLength(text);
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    const auto first = static_cast<unsigned char>(text[0]);
    size_t length = 1;
    if (first < 0x80) {
      appendControl(out, first);
    } else if ((length = validLength(text)) > 0) {
      out.append(text.substr(0, length));
    } else {
      out += "\\ufffd";
      length = 1;
    }
    text.remove_prefix(length);
  }
}

size_t unfinishedUtf8(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); back++) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;
    return lengthOf(byte) > back ? back : 0;
  }
  return 0;
}
