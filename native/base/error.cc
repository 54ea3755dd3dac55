#include "error.h"

#include <cstring>

void fail(std::string_view what, std::string_view object, int error) {
  std::string text(what);
  if (!object.empty()) text.append(" ").append(object);
  // The kernel's texts begin with a capital; ours are lower case, except for those that begin with an abbreviation.
  std::string reason = strerror(error);
  if (reason.size() > 1 && reason[0] >= 'A' && reason[0] <= 'Z' && reason[1] >= 'a' && reason[1] <= 'z') reason[0] += 'a' - 'A';
  throw Failure{text + ": " + reason, error};
}

void failWith(std::string text, int error) { throw Failure{std::move(text), error}; }

std::string inBrief(const std::string& text) {
  constexpr size_t PART_SIZE = 2048;
  if (text.size() <= 2 * PART_SIZE) return text;
  return text.substr(0, PART_SIZE) + "…" + text.substr(text.size() - PART_SIZE);
}

std::string symbolOf(int error) {
  const char* name = strerrorname_np(error);
  return name == nullptr ? "EUNKNOWN" : name;
}
