#include "place-contents.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <vector>

#include "../base/error.h"

void removeTree(int folder, const std::string& name) {
  if (unlinkat(folder, name.c_str(), 0) == 0) return;
  if (errno != EISDIR && errno != EPERM) fail("remove", name);
  const int opened = openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR* directory = opened < 0 ? nullptr : fdopendir(opened);
  if (directory == nullptr) fail("open directory", name);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory)) {
    const std::string child = entry->d_name;
    if (child != "." && child != "..") names.push_back(child);
  }
  for (const std::string& child : names) removeTree(dirfd(directory), child);
  closedir(directory);
  check(unlinkat(folder, name.c_str(), AT_REMOVEDIR), "remove directory", name);
}

timespec usableTime(timespec time) {
  constexpr int64_t YEAR_2446 = 15032385535;
  return time.tv_sec < INT32_MIN || time.tv_sec > YEAR_2446 ? timespec{} : time;
}
