#pragma once

#include "settings.h"

/** Shows the container's own groups at /sys/fs/cgroup. They are bound, not mounted anew: a mount of version 1 waits for every group of the machine that is being removed. */
void showCgroups(int root, const Settings& settings);
