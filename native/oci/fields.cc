#include "fields.h"

#include <cerrno>
#include <cstdlib>

#include "../base/error.h"

namespace {

[[noreturn]] void refuse(const std::string& where, const char* name, const char* kind) { failWith(where + "." + name + " is not " + kind, EINVAL); }

const std::string& digitsOf(const Json& value, const char* name, const std::string& where) {
  if (value.kind() != Json::Kind::number || value.literal().find_first_of(".eE") != std::string::npos) refuse(where, name, "a whole number");
  return value.literal();
}

}  // namespace

std::string textOf(const Json& object, const char* name, const std::string& where) {
  const Json& value = object[name];
  if (value.isNull()) return "";
  if (value.kind() != Json::Kind::string) refuse(where, name, "a string");
  if (value.literal().find('\0') != std::string::npos) refuse(where, name, "a string without NUL characters");
  return value.literal();
}

bool flagOf(const Json& object, const char* name, const std::string& where) {
  const Json& value = object[name];
  if (value.isNull()) return false;
  if (value.kind() != Json::Kind::boolean) refuse(where, name, "true or false");
  return value.isTrue();
}

int64_t numberOf(const Json& object, const char* name, const std::string& where, int64_t missing) {
  const Json& value = object[name];
  if (value.isNull()) return missing;
  errno = 0;
  const int64_t number = strtoll(digitsOf(value, name, where).c_str(), nullptr, 10);
  if (errno != 0) refuse(where, name, "a whole number of 64 bits");
  return number;
}

int64_t numberUpTo(const Json& object, const char* name, const std::string& where, int64_t missing, int64_t most) {
  const int64_t number = numberOf(object, name, where, missing);
  if (number < 0 || number > most) failWith(where + "." + name + " " + std::to_string(number) + " is not from 0 to " + std::to_string(most), EINVAL);
  return number;
}

uint32_t idOf(const std::string& digits, const std::string& what) {
  char* end = nullptr;
  errno = 0;
  const uint64_t number = strtoull(digits.c_str(), &end, 10);
  if (digits.find_first_not_of("0123456789") != std::string::npos || digits.empty() || errno != 0 || number >= UINT32_MAX) {
    failWith(what + " \"" + digits + "\" is not a number from 0 to 4294967294", EINVAL);
  }
  return static_cast<uint32_t>(number);
}

uint64_t limitOf(const Json& object, const char* name, const std::string& where) {
  const std::string& digits = digitsOf(object[name], name, where);
  errno = 0;
  const uint64_t number = strtoull(digits.c_str(), nullptr, 10);
  if (errno != 0 || digits[0] == '-') refuse(where, name, "a whole number of 64 bits that is not negative");
  return number;
}

const std::vector<Json>& itemsOf(const Json& object, const char* name, const std::string& where) {
  const Json& value = object[name];
  if (!value.isNull() && value.kind() != Json::Kind::array) refuse(where, name, "a list");
  return value.items();
}

std::vector<std::string> textsOf(const Json& object, const char* name, const std::string& where) {
  std::vector<std::string> texts;
  for (const Json& item : itemsOf(object, name, where)) {
    if (item.kind() != Json::Kind::string || item.literal().find('\0') != std::string::npos) refuse(where, name, "a list of strings");
    texts.push_back(item.literal());
  }
  return texts;
}
