#include "entry-name.h"

#include <algorithm>

#include "archive-error.h"

std::vector<std::string> partsOfName(const std::string& name) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t slash = std::min(name.find('/', begin), name.size());
    std::string part = name.substr(begin, slash - begin);
    begin = slash + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") badArchive("archive entry \"" + name + "\" leaves the archive");
    parts.push_back(std::move(part));
  }
  return parts;
}
