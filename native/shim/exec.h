#pragma once

#include "child.h"

/**
 * Starts one more program in a container that runs (`settings.joinedProcess` is its first process): in all its namespaces and cgroups, and ended with it by the
 * kernel. Throws when the process is not in the cgroup that was named, which it is not when its number was given away meanwhile.
 */
Child join(const Settings& settings);
