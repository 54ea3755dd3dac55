#include "cgroup-folder.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "error.h"
#include "file.h"

namespace {

constexpr size_t LIST_SIZE_MAX = 16U << 20;
/** Far below the descriptors that a process may have. */
constexpr size_t HELD_MAX = 128;

struct Held {
  pid_t process;
  Fd descriptor;
};

std::vector<pid_t> membersOf(const std::string& group) {
  std::vector<pid_t> members;
  const std::string text = readRegularFile(group + "/cgroup.procs", LIST_SIZE_MAX).value_or("");
  for (const char* at = text.c_str(); *at != '\0';) {
    char* end = nullptr;
    const long process = strtol(at, &end, 10);
    if (process > 0) members.push_back(static_cast<pid_t>(process));
    at = *end == '\n' ? end + 1 : end + strlen(end);
  }
  return members;
}

/** Those of them who are still in the group. */
void signalHeld(const std::string& group, const std::vector<Held>& held, int signal) {
  std::vector<pid_t> members = membersOf(group);
  std::sort(members.begin(), members.end());
  for (const auto& [process, descriptor] : held) {
    if (!std::binary_search(members.begin(), members.end(), process)) continue;
    if (syscall(SYS_pidfd_send_signal, descriptor.get(), signal, nullptr, 0) < 0 && errno != ESRCH) fail("signal process", std::to_string(process));
  }
}

}  // namespace

std::vector<std::string> groupsBelow(const std::string& group) {
  std::vector<std::string> groups;
  DIR* const folder = opendir(group.c_str());
  if (folder == nullptr) return groups;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') groups.push_back(group + "/" + entry->d_name);
  }
  closedir(folder);
  return groups;
}

bool hasMembers(const std::string& group) {
  if (!membersOf(group).empty()) return true;
  const auto groups = groupsBelow(group);
  return std::any_of(groups.begin(), groups.end(), hasMembers);
}

bool signalMembers(const std::string& group, int signal) {
  const std::vector<pid_t> members = membersOf(group);
  std::vector<Held> held;
  for (const pid_t process : members) {
    Fd descriptor(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
    if (!descriptor && errno != ESRCH) fail("open process", std::to_string(process));
    if (descriptor) held.push_back({process, std::move(descriptor)});
    if (held.size() < HELD_MAX) continue;
    signalHeld(group, held, signal);
    held.clear();
  }
  if (!held.empty()) signalHeld(group, held, signal);
  bool isAnybody = !members.empty();
  for (const std::string& inner : groupsBelow(group)) isAnybody = signalMembers(inner, signal) || isAnybody;
  return isAnybody;
}
