#pragma once

#include <string>

/**
 * Lets processes below the cgroup (version 2) open only the devices that Docker allows: a program of the kernel's virtual machine, which stays for as long as the
 * cgroup. Does nothing when the cgroup has one already. Version 1 has the devices controller for this, and the daemon sets it.
 */
void installDeviceFilter(const std::string& cgroup);
