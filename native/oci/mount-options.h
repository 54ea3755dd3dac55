#pragma once

#include <string>
#include <vector>

/** One entry of `mounts`. */
struct OciMount {
  std::string destination;
  std::string type;
  std::string source;
  bool isBind = false;
  bool isRecursive = false;
  /** MS_* of mount(2), for what is mounted anew. */
  unsigned long flags = 0;
  /** MOUNT_ATTR_* to set and to clear on the mount; and on all mounts of a bind (`rro` and the like). */
  unsigned long attributes = 0;
  unsigned long cleared = 0;
  unsigned long recursiveAttributes = 0;
  unsigned long recursiveCleared = 0;
  /** MS_PRIVATE and so on; 0 leaves it. */
  unsigned long propagation = 0;
  bool isPropagationRecursive = false;
  /** What is the file system's own. */
  std::string data;
};

/** Takes options as mount(8) has them, and those of the OCI runtime specification. What neither knows is the file system's own. */
void takeOptions(OciMount& mount, const std::vector<std::string>& options);

/** MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE for `private`, `rslave` and so on; 0 for another word. */
unsigned long propagationFlag(const std::string& word);

/** Every option that takeOptions knows. */
std::vector<std::string> knownMountOptions();
