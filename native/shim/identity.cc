#include "identity.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "../base/error.h"
#include "../base/file.h"

namespace {

constexpr size_t DATABASE_SIZE_MAX = 4U << 20;

/** The fields between colons; the parts point into `line`. */
std::vector<std::string_view> fieldsOf(std::string_view line, char separator) {
  std::vector<std::string_view> fields;
  for (;;) {
    const size_t end = line.find(separator);
    fields.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return fields;
    line.remove_prefix(end + 1);
  }
}

std::optional<uint32_t> numberOf(std::string_view text) {
  if (text.empty() || text.size() > 10 || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  const uint64_t value = strtoull(std::string(text).c_str(), nullptr, 10);
  // The highest number means "no change" to the kernel.
  if (value >= UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(value);
}

std::string readDatabase(const char* path) { return readRegularFile(path, DATABASE_SIZE_MAX).value_or(""); }

void resolveUser(Identity& identity, const std::string& passwd, const std::string& wanted, std::string& loginName) {
  const auto number = numberOf(wanted);
  for (const std::string_view line : fieldsOf(passwd, '\n')) {
    const auto fields = fieldsOf(line, ':');
    if (fields.size() < 7) continue;
    const auto uid = numberOf(fields[2]);
    const auto gid = numberOf(fields[3]);
    if (!uid || !gid || (number ? *uid != *number : fields[0] != wanted)) continue;
    loginName = fields[0];
    identity = {*uid, *gid, {}, std::string(fields[5])};
    return;
  }
  if (!number) failWith("unable to find user " + wanted + ": no matching entries in passwd file", EINVAL);
  identity.user = *number;
}

gid_t resolveGroup(const std::string& groupFile, const std::string& wanted) {
  const auto number = numberOf(wanted);
  if (number) return *number;
  for (const std::string_view line : fieldsOf(groupFile, '\n')) {
    const auto fields = fieldsOf(line, ':');
    if (fields.size() < 4 || fields[0] != wanted) continue;
    if (const auto gid = numberOf(fields[2])) return *gid;
  }
  failWith("unable to find group " + wanted + ": no matching entries in group file", EINVAL);
}

void addMemberships(Identity& identity, const std::string& groupFile, const std::string& loginName) {
  if (loginName.empty()) return;
  for (const std::string_view line : fieldsOf(groupFile, '\n')) {
    const auto fields = fieldsOf(line, ':');
    if (fields.size() < 4) continue;
    const auto gid = numberOf(fields[2]);
    const auto members = fieldsOf(fields[3], ',');
    if (gid && std::find(members.begin(), members.end(), loginName) != members.end()) identity.groups.push_back(*gid);
  }
}

void setCapabilities(const CapabilitySets& sets) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (int half = 0; half < 2; half++) {
    const auto part = [half](uint64_t set) { return static_cast<uint32_t>(set >> (32 * half)); };
    data[half] = {part(sets.effective), part(sets.permitted), part(sets.inheritable)};
  }
  check(static_cast<int>(syscall(SYS_capset, &header, data)), "set capabilities");
}

template <typename Function>
void forEach(uint64_t set, Function function) {
  for (int number = 0; number < 64; number++) {
    if ((set >> number & 1) == 0) continue;
    // Beyond the last that this kernel knows.
    if (prctl(PR_CAPBSET_READ, number) < 0) return;
    function(number);
  }
}

}  // namespace

Identity resolveIdentity(const std::string& user, const std::vector<std::string>& extraGroups) {
  return findIdentity(user, extraGroups, readDatabase("/etc/passwd"), readDatabase("/etc/group"));
}

Identity findIdentity(const std::string& user, const std::vector<std::string>& extraGroups, const std::string& passwd, const std::string& groupFile) {
  Identity identity = {0, 0, {}, ""};
  const size_t colon = user.find(':');
  const std::string name = user.substr(0, colon);
  std::string loginName;
  resolveUser(identity, passwd, name.empty() ? "0" : name, loginName);
  if (colon != std::string::npos && colon + 1 < user.size()) {
    identity.group = resolveGroup(groupFile, user.substr(colon + 1));
  } else {
    addMemberships(identity, groupFile, loginName);
  }
  // Among the supplementary ones too: else a program could take a group's negative permissions off by leaving it.
  identity.groups.push_back(identity.group);
  for (const std::string& group : extraGroups) identity.groups.push_back(resolveGroup(groupFile, group));
  if (identity.home.empty()) identity.home = "/";
  return identity;
}

CapabilitySets capabilitiesFor(const Identity& identity, uint64_t bounding) {
  CapabilitySets sets;
  sets.bounding = bounding;
  if (identity.user == 0) sets.effective = sets.permitted = bounding;
  return sets;
}

void assumeIdentity(const Identity& identity, const CapabilitySets& capabilities) {
  forEach(~capabilities.bounding, [](int number) { check(prctl(PR_CAPBSET_DROP, number), "drop capability", std::to_string(number)); });
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  check(setgroups(identity.groups.size(), identity.groups.data()), "set supplementary groups");
  check(setresgid(identity.group, identity.group, identity.group), "set group", std::to_string(identity.group));
  // What another user than root shall keep would go with the change; execve forgets this again.
  check(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep capabilities");
  check(setresuid(identity.user, identity.user, identity.user), "set user", std::to_string(identity.user));
  setCapabilities(capabilities);
  forEach(capabilities.ambient, [](int number) { check(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0), "raise ambient capability", std::to_string(number)); });
}
