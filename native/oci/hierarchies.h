#pragma once

#include <map>
#include <string>

/** Where this machine has its cgroups. */
struct Hierarchies {
  /** Mount point by controller of version 1. */
  std::map<std::string, std::string> legacy;
  /** Empty without version 2. */
  std::string unified;
};

/** Those that can be seen: something else may have been mounted over one. Throws when there is none. */
Hierarchies readHierarchies();
