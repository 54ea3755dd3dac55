#include "json.h"

#include <cstring>

#include "error.h"
#include "json-text.h"

namespace {

constexpr int DEPTH_MAX = 64;

void appendUtf8(std::string& out, uint32_t point) {
  const auto byte = [&](uint32_t value) { out += static_cast<char>(value); };
  if (point < 0x80) return byte(point);
  if (point < 0x800) {
    byte(0xc0 | point >> 6);
  } else if (point < 0x10000) {
    byte(0xe0 | point >> 12);
    byte(0x80 | (point >> 6 & 0x3f));
  } else {
    byte(0xf0 | point >> 18);
    byte(0x80 | (point >> 12 & 0x3f));
    byte(0x80 | (point >> 6 & 0x3f));
  }
  byte(0x80 | (point & 0x3f));
}

}  // namespace

class JsonParser {
 public:
  JsonParser(std::string_view text, std::string_view source) : text_(text), source_(source) {}

  Json document() {
    Json value = parseValue(0);
    skipSpace();
    if (at_ < text_.size()) refuse();
    return value;
  }

 private:
  [[noreturn]] void refuse() const { failWith(std::string(source_) + " is not JSON at byte " + std::to_string(at_), EINVAL); }

  void skipSpace() {
    while (at_ < text_.size() && strchr(" \t\r\n", text_[at_]) != nullptr && text_[at_] != '\0') at_++;
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool take(char c) {
    skipSpace();
    if (peek() != c) return false;
    at_++;
    return true;
  }

  void expect(char c) {
    if (!take(c)) refuse();
  }

  void word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) refuse();
    at_ += expected.size();
  }

  Json parseValue(int depth) {
    if (depth > DEPTH_MAX) failWith(std::string(source_) + " is nested deeper than " + std::to_string(DEPTH_MAX), EINVAL);
    skipSpace();
    Json value;
    switch (peek()) {
      case '{': parseObject(value, depth); break;
      case '[': parseArray(value, depth); break;
      case '"': value = Json::text(parseString()); break;
      case 't': word("true"); value = Json::boolean(true); break;
      case 'f': word("false"); value = Json::boolean(false); break;
      case 'n': word("null"); break;
      default: parseNumber(value);
    }
    return value;
  }

  void parseObject(Json& value, int depth) {
    expect('{');
    value = Json::object();
    if (take('}')) return;
    do {
      skipSpace();
      if (peek() != '"') refuse();
      std::string name = parseString();
      expect(':');
      value.members_.emplace_back(std::move(name), parseValue(depth + 1));
    } while (take(','));
    expect('}');
  }

  void parseArray(Json& value, int depth) {
    expect('[');
    value = Json::array();
    if (take(']')) return;
    do value.items_.push_back(parseValue(depth + 1));
    while (take(','));
    expect(']');
  }

  void parseNumber(Json& value) {
    const size_t start = at_;
    if (peek() == '-') at_++;
    // No other digit follows a zero at the beginning.
    if (peek() == '0') at_++;
    else takeDigits();
    if (peek() == '.') {
      at_++;
      takeDigits();
    }
    if (peek() == 'e' || peek() == 'E') {
      at_++;
      if (peek() == '+' || peek() == '-') at_++;
      takeDigits();
    }
    value.literal_ = text_.substr(start, at_ - start);
    value.kind_ = Json::Kind::number;
  }

  void takeDigits() {
    if (!isDigit(peek())) refuse();
    while (isDigit(peek())) at_++;
  }

  std::string parseString() {
    std::string out;
    at_++;
    for (;;) {
      size_t plain = at_;
      while (plain < text_.size() && text_[plain] != '"' && text_[plain] != '\\' && static_cast<unsigned char>(text_[plain]) >= 0x20) plain++;
      out.append(text_.substr(at_, plain - at_));
      at_ = plain;
      if (plain == text_.size() || static_cast<unsigned char>(text_[plain]) < 0x20) refuse();
      at_++;
      if (text_[plain] == '"') return out;
      parseEscape(out);
    }
  }

  void parseEscape(std::string& out) {
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    const char c = peek();
    at_++;
    if (c == 'u') return appendUtf8(out, parsePoint());
    const char* const found = c == '\0' ? nullptr : strchr(names, c);
    if (found == nullptr) refuse();
    out += values[found - names];
  }

  uint32_t parsePoint() {
    const uint32_t first = parseHex();
    if (first < 0xd800 || first > 0xdbff || text_.substr(at_, 2) != "\\u") return first >= 0xd800 && first <= 0xdfff ? 0xfffd : first;
    at_ += 2;
    const uint32_t second = parseHex();
    return second >= 0xdc00 && second <= 0xdfff ? 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00) : 0xfffd;
  }

  uint32_t parseHex() {
    uint32_t value = 0;
    for (int count = 0; count < 4; count++, at_++) {
      const char c = peek();
      const int digit = isDigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) refuse();
      value = value << 4 | static_cast<uint32_t>(digit);
    }
    return value;
  }

  static bool isDigit(char c) { return c >= '0' && c <= '9'; }

  std::string_view text_;
  std::string_view source_;
  size_t at_ = 0;
};

Json Json::parse(std::string_view text, std::string_view source) { return JsonParser(text, source).document(); }

Json Json::text(std::string_view value) {
  Json json;
  json.kind_ = Kind::string;
  json.literal_ = value;
  return json;
}

Json Json::number(int64_t value) {
  Json json;
  json.kind_ = Kind::number;
  json.literal_ = std::to_string(value);
  return json;
}

Json Json::boolean(bool value) {
  Json json;
  json.kind_ = Kind::boolean;
  json.isTrue_ = value;
  return json;
}

Json Json::array() {
  Json json;
  json.kind_ = Kind::array;
  return json;
}

Json Json::object() {
  Json json;
  json.kind_ = Kind::object;
  return json;
}

const Json& Json::operator[](std::string_view name) const {
  static const Json missing;
  // The last of a name counts, as in every other reader.
  for (auto member = members_.rbegin(); member != members_.rend(); ++member) {
    if (member->first == name) return member->second;
  }
  return missing;
}

Json& Json::at(std::string_view name) {
  kind_ = Kind::object;
  for (auto& [key, value] : members_) {
    if (key == name) return value;
  }
  return members_.emplace_back(std::string(name), Json()).second;
}

std::string Json::write() const {
  std::string out;
  appendTo(out);
  return out;
}

void Json::appendTo(std::string& out) const {
  const char* between = "";
  switch (kind_) {
    case Kind::null: out += "null"; return;
    case Kind::boolean: out += isTrue_ ? "true" : "false"; return;
    case Kind::number: out += literal_; return;
    case Kind::string:
      out += '"';
      appendJson(out, literal_);
      out += '"';
      return;
    case Kind::array:
      out += '[';
      for (const Json& item : items_) {
        out += between;
        item.appendTo(out);
        between = ",";
      }
      out += ']';
      return;
    case Kind::object:
      out += '{';
      for (const auto& [name, value] : members_) {
        out += between;
        out += '"';
        appendJson(out, name);
        out += "\":";
        value.appendTo(out);
        between = ",";
      }
      out += '}';
  }
}
