#pragma once

#include <vector>

#include "../base/fd.h"
#include "settings.h"
#include "shared-namespaces.h"

/** A copy of a bind's source, as it shall be seen, that is mounted nowhere yet. */
Fd openSource(const MountSettings& mount, const SharedNamespaces& shared);

/** One for each mount; empty for what has no source. */
std::vector<Fd> openSources(const Settings& settings, const SharedNamespaces& shared);

/** Puts what openSource gave to its place, which is made where it is missing; refuses places in /proc. */
void mountBind(int root, const MountSettings& mount, const Fd& tree);

void mountTmpfs(int root, const MountSettings& mount);
