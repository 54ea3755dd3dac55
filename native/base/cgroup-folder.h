#pragma once

#include <string>
#include <vector>

/** Paths of the cgroups that are directly below one; none when it is gone. */
std::vector<std::string> groupsBelow(const std::string& group);

/** Whether somebody is in a cgroup, or in one below it. */
bool hasMembers(const std::string& group);

/**
 * Sends a signal to every process that is in a cgroup, or in one below it, now. Each is held by a descriptor while it is looked whether it still is there: one that ends
 * meanwhile leaves its number to others. True when there was anybody. Throws when one of them cannot be signalled.
 */
bool signalMembers(const std::string& group, int signal);
