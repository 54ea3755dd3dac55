#pragma once

#include <string>
#include <vector>

/**
 * Lets processes below the cgroup (version 2) make and open only devices of which a rule says so, in the words of version 1 (`c 1:3 rwm`, `b *:* m`), or with `!` before them
 * denies, where the last one that matches counts: a program of the kernel's virtual machine, which stays for as long as the cgroup. Does nothing when the cgroup has one already. Version 1 has the devices
 * controller for this, and the daemon sets it. Throws for what is no rule.
 */
void installDeviceFilter(const std::string& cgroup, const std::vector<std::string>& rules);
