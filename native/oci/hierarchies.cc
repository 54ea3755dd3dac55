#include "hierarchies.h"

#include <linux/magic.h>
#include <sys/statfs.h>

#include <sstream>
#include <vector>

#include "../base/error.h"
#include "../base/file.h"

namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool isVisible(const std::string& mountPoint, long type) {
  struct statfs info = {};
  return statfs(mountPoint.c_str(), &info) == 0 && info.f_type == type;
}

}  // namespace

Hierarchies readHierarchies() {
  Hierarchies found;
  const std::string mountinfo = readRegularFile("/proc/self/mountinfo", 4U << 20).value_or("");
  for (const std::string& line : split(mountinfo, '\n')) {
    const size_t dash = line.find(" - ");
    const auto before = split(line.substr(0, dash), ' ');
    const auto after = dash == std::string::npos ? std::vector<std::string>() : split(line.substr(dash + 3), ' ');
    if (before.size() < 5 || after.size() < 3) continue;
    if (after[0] == "cgroup2" && found.unified.empty() && isVisible(before[4], CGROUP2_SUPER_MAGIC)) found.unified = before[4];
    if (after[0] != "cgroup" || !isVisible(before[4], CGROUP_SUPER_MAGIC)) continue;
    for (const std::string& option : split(after[2], ',')) found.legacy.emplace(option, before[4]);
  }
  if (found.legacy.empty() && found.unified.empty()) failWith("no cgroup hierarchy is mounted on this machine", ENOENT);
  return found;
}
