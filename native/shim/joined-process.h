#pragma once

#include "../base/fd.h"
#include "settings.h"

/** A pidfd of `join.process`, which is certain to be of the container whose cgroup `join.group` names. Throws Failure with ESRCH when that has ended. */
Fd openJoined(const Settings& settings);

/** The same of a process and the group that its container has. */
Fd openJoined(pid_t process, const std::string& group);
