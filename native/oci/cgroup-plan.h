#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "../base/json.h"
#include "../shim/settings.h"

/** The groups that a container gets. */
struct CgroupPlan {
  std::vector<CgroupSettings> groups;
  /** Length of the groups' common path below their hierarchies' roots. */
  size_t groupSize = 0;
  /** Controllers of version 2 without which a limit could not be set. */
  std::set<std::string> needed;
  /** As in Settings. */
  std::vector<std::pair<std::string, std::string>> visible;
};

/**
 * `linux.cgroupsPath` (below every hierarchy's root; ID below /swarm-oci when it is empty) and `linux.resources` for this machine's hierarchies, of version 1, 2 or both.
 * Throws for a resource that no hierarchy here can limit.
 */
CgroupPlan planCgroups(const std::string& id, const std::string& path, const Json& resources);

/** Throws when somebody is in one of the groups, or below it: all in them are killed when the container is deleted. */
void requireUnused(const CgroupPlan& plan);

/** Makes the groups with their parents, and sets the limits. */
void makeCgroups(CgroupPlan& plan);

/** Removes groups, and the default parent with the last one in it. */
void removeWithParents(const std::vector<std::string>& paths);
