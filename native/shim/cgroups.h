#pragma once

#include <string>
#include <vector>

#include "../base/fd.h"
#include "settings.h"

/** Makes the directories and sets the limits. Throws with file and value when the kernel refuses one. */
void createCgroups(const std::vector<CgroupSettings>& groups);

/** The directory of the version 2 group, for clone3; none when there is no such group. */
Fd openUnifiedCgroup(const std::vector<CgroupSettings>& groups);

/**
 * For the container's first process, while it has one thread and no cgroup namespace: enters the version 1 groups by writing 0 to `tasks`. Done this way it
 * takes 0.2 ms; from outside, or through cgroup.procs, it waits for a grace period of the kernel (12 ms on an idle machine).
 */
void enterCgroups(const std::vector<CgroupSettings>& groups);

/** Kills all that is in them: who has no process namespace of his own leaves others behind. Gives up after a second on who does not end. */
void killMembers(const std::vector<std::string>& paths);

/** Removes the directories; gives up after a second on one that stays busy (the daemon sweeps). */
void removeCgroups(const std::vector<std::string>& paths);

/** Whether `oom_kill` in memory.oom_control (version 1) or memory.events (version 2) counts any. */
bool hadOutOfMemory(const std::string& file);
