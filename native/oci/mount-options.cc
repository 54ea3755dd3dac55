#include "mount-options.h"

#include <linux/mount.h>
#include <sys/mount.h>

#include <algorithm>

namespace {

/** An option with its flag of mount(2), and its attribute of mount_setattr(2) where it is one of the mount alone. */
struct Option {
  const char* name;
  unsigned long flag;
  unsigned long attribute;
  bool isCleared;
};

constexpr Option OPTIONS[] = {
    {"ro", MS_RDONLY, MOUNT_ATTR_RDONLY, false},
    {"rw", MS_RDONLY, MOUNT_ATTR_RDONLY, true},
    {"nosuid", MS_NOSUID, MOUNT_ATTR_NOSUID, false},
    {"suid", MS_NOSUID, MOUNT_ATTR_NOSUID, true},
    {"nodev", MS_NODEV, MOUNT_ATTR_NODEV, false},
    {"dev", MS_NODEV, MOUNT_ATTR_NODEV, true},
    {"noexec", MS_NOEXEC, MOUNT_ATTR_NOEXEC, false},
    {"exec", MS_NOEXEC, MOUNT_ATTR_NOEXEC, true},
    {"noatime", MS_NOATIME, MOUNT_ATTR_NOATIME, false},
    {"strictatime", MS_STRICTATIME, MOUNT_ATTR_STRICTATIME, false},
    {"relatime", MS_RELATIME, MOUNT_ATTR_RELATIME, false},
    {"nodiratime", MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, false},
    {"diratime", MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, true},
    {"nosymfollow", MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW, false},
    {"symfollow", MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW, true},
    {"sync", MS_SYNCHRONOUS, 0, false},
    {"async", MS_SYNCHRONOUS, 0, true},
    {"dirsync", MS_DIRSYNC, 0, false},
    {"mand", MS_MANDLOCK, 0, false},
    {"nomand", MS_MANDLOCK, 0, true},
    {"silent", MS_SILENT, 0, false},
    {"loud", MS_SILENT, 0, true},
    {"iversion", MS_I_VERSION, 0, false},
    {"noiversion", MS_I_VERSION, 0, true},
    {"defaults", 0, 0, false},
};

struct Propagation {
  const char* name;
  unsigned long flag;
};

constexpr Propagation PROPAGATIONS[] = {{"private", MS_PRIVATE}, {"slave", MS_SLAVE}, {"shared", MS_SHARED}, {"unbindable", MS_UNBINDABLE}};

constexpr unsigned long TIME_ATTRIBUTES = MOUNT_ATTR_NOATIME | MOUNT_ATTR_STRICTATIME | MOUNT_ATTR_RELATIME;

void put(unsigned long& set, unsigned long& cleared, unsigned long attribute, bool isCleared) {
  // The three are numbers in one field, not bits: the field must be cleared before.
  const bool isTime = (attribute & ~MOUNT_ATTR__ATIME) == 0;
  if (isTime) cleared |= MOUNT_ATTR__ATIME;
  if (isCleared) {
    cleared |= attribute;
    set &= ~attribute;
  } else {
    if (isTime) set &= ~TIME_ATTRIBUTES;
    set |= attribute;
    if (!isTime) cleared &= ~attribute;
  }
}

/** On what is mounted anew there is nothing below: there all of it is the mount itself. */
bool takeFlag(OciMount& mount, const std::string& word) {
  for (const Option& option : OPTIONS) {
    const bool isRecursive = word[0] == 'r' && word.substr(1) == option.name && (option.attribute != 0 || option.flag == MS_RELATIME);
    if (word == option.name || (isRecursive && !mount.isBind)) {
      mount.flags = option.isCleared ? mount.flags & ~option.flag : mount.flags | option.flag;
      if (option.attribute != 0 || option.flag == MS_RELATIME) put(mount.attributes, mount.cleared, option.attribute, option.isCleared);
      return true;
    }
    if (isRecursive) {
      put(mount.recursiveAttributes, mount.recursiveCleared, option.attribute, option.isCleared);
      return true;
    }
  }
  return false;
}

bool takePropagation(OciMount& mount, const std::string& word) {
  const unsigned long flag = propagationFlag(word);
  if (flag == 0) return false;
  mount.propagation = flag;
  mount.isPropagationRecursive = word[0] == 'r';
  return true;
}

}  // namespace

unsigned long propagationFlag(const std::string& word) {
  for (const Propagation& propagation : PROPAGATIONS) {
    if (word == propagation.name || (!word.empty() && word[0] == 'r' && word.substr(1) == propagation.name)) return propagation.flag;
  }
  return 0;
}

void takeOptions(OciMount& mount, const std::vector<std::string>& options) {
  const auto isBinding = [](const std::string& word) { return word == "bind" || word == "rbind"; };
  mount.isBind = mount.type == "bind" || std::any_of(options.begin(), options.end(), isBinding);
  for (const std::string& word : options) {
    if (isBinding(word)) {
      mount.isRecursive = word == "rbind";
    } else if (!takeFlag(mount, word) && !takePropagation(mount, word)) {
      if (!mount.data.empty()) mount.data += ',';
      mount.data += word;
    }
  }
}

std::vector<std::string> knownMountOptions() {
  std::vector<std::string> names = {"bind", "rbind"};
  for (const Option& option : OPTIONS) {
    names.push_back(option.name);
    if (option.attribute != 0) names.push_back(std::string("r") + option.name);
  }
  for (const Propagation& propagation : PROPAGATIONS) {
    names.push_back(propagation.name);
    names.push_back(std::string("r") + propagation.name);
  }
  return names;
}
