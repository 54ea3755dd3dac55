#include "host-mount.h"

#include <sys/mount.h>

#include <string_view>

#include "../base/error.h"

namespace {

struct Flag {
  std::string_view name;
  unsigned long bit;
  bool isSet;
};

constexpr Flag FLAGS[] = {
    {"defaults", 0, true},           {"ro", MS_RDONLY, true},           {"rw", MS_RDONLY, false},          {"nosuid", MS_NOSUID, true},
    {"suid", MS_NOSUID, false},      {"nodev", MS_NODEV, true},         {"dev", MS_NODEV, false},          {"noexec", MS_NOEXEC, true},
    {"exec", MS_NOEXEC, false},      {"sync", MS_SYNCHRONOUS, true},    {"async", MS_SYNCHRONOUS, false},  {"dirsync", MS_DIRSYNC, true},
    {"mand", MS_MANDLOCK, true},     {"nomand", MS_MANDLOCK, false},    {"atime", MS_NOATIME, false},      {"noatime", MS_NOATIME, true},
    {"diratime", MS_NODIRATIME, false}, {"nodiratime", MS_NODIRATIME, true}, {"relatime", MS_RELATIME, true}, {"norelatime", MS_RELATIME, false},
    {"strictatime", MS_STRICTATIME, true}, {"nostrictatime", MS_STRICTATIME, false}, {"bind", MS_BIND, true}, {"rbind", MS_BIND | MS_REC, true},
    {"private", MS_PRIVATE, true},   {"rprivate", MS_PRIVATE | MS_REC, true}, {"shared", MS_SHARED, true}, {"rshared", MS_SHARED | MS_REC, true},
    {"slave", MS_SLAVE, true},       {"rslave", MS_SLAVE | MS_REC, true}, {"unbindable", MS_UNBINDABLE, true}, {"runbindable", MS_UNBINDABLE | MS_REC, true},
};
constexpr unsigned long PROPAGATION = MS_PRIVATE | MS_SHARED | MS_SLAVE | MS_UNBINDABLE;

const Flag* flagOf(std::string_view name) {
  for (const Flag& flag : FLAGS) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

struct Options {
  unsigned long flags = 0;
  unsigned long propagation = 0;
  std::string data;
};

Options parse(std::string_view text) {
  Options options;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    const Flag* flag = flagOf(word);
    if (flag == nullptr) {
      if (!options.data.empty()) options.data += ',';
      options.data += word;
    } else if ((flag->bit & PROPAGATION) != 0) {
      options.propagation = flag->bit;
    } else if (flag->isSet) {
      options.flags |= flag->bit;
    } else {
      options.flags &= ~flag->bit;
    }
  }
  return options;
}

}  // namespace

void mountOnHost(const std::string& type, const std::string& device, const std::string& words, const std::string& folder) {
  const Options options = parse(words);
  const bool isBind = (options.flags & MS_BIND) != 0;
  const unsigned long first = isBind ? options.flags & (MS_BIND | MS_REC) : options.flags;
  check(mount(device.c_str(), folder.c_str(), type.c_str(), first, options.data.c_str()), "mount " + device + " at", folder);
  try {
    // A bind takes other flags only when it is there.
    if (isBind && (options.flags & ~static_cast<unsigned long>(MS_BIND | MS_REC)) != 0) {
      check(mount("", folder.c_str(), "", (options.flags & ~static_cast<unsigned long>(MS_REC)) | MS_REMOUNT, nullptr), "set the flags of", folder);
    }
    if (options.propagation != 0) check(mount("", folder.c_str(), "", options.propagation, nullptr), "set the propagation of", folder);
  } catch (const Failure&) {
    umount2(folder.c_str(), MNT_DETACH);
    throw;
  }
}

void unmountFromHost(const std::string& folder) {
  while (umount2(folder.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
  if (errno != EINVAL && errno != ENOENT) fail("unmount", folder);
}
