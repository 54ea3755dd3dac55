#pragma once

#include <sys/stat.h>

#include <string>
#include <utility>
#include <vector>

#include "../base/fd.h"

/**
 * The way to exactly the file that a descriptor stands for, whatever its name leads to by now. It goes through this process's own /proc/self/fd, which must be
 * held before the process enters a container: /proc there is the container's.
 */
class Inodes {
 public:
  Inodes();

  /** Opens what an O_PATH descriptor stands for. */
  Fd open(const Fd& node, int flags) const;
  void setMode(const Fd& node, mode_t mode) const;
  /** Returns false when the file system does not keep such an attribute. */
  bool setAttribute(const Fd& node, const std::string& name, const std::string& value) const;
  /** Those that are content: capabilities of programs, and users' own. */
  std::vector<std::pair<std::string, std::string>> attributesOf(const Fd& node) const;
  /** Empty when it has none of this name. */
  std::string attributeOf(const Fd& node, const std::string& name) const;

 private:
  Fd descriptors_;
};

struct stat infoOf(const Fd& node, const std::string& name);

/** Opens one component below a folder as it is, a link too, without touching it (O_PATH). Empty when it is not there. */
Fd openNode(int folder, const std::string& name);

std::string targetOf(const Fd& link, const std::string& name);
