#pragma once

#include <sys/types.h>

#include <functional>

#include "../base/fd.h"

/**
 * Makes a child of the caller in namespaces that the caller is not to be in: a process between enters groups and namespaces (`prepare`), makes it with the flags of
 * clone3(2), and ends. The child runs `function`; a Failure of either is written to `report`. Returns 0 when there is no child.
 */
pid_t cloneApart(unsigned long flags, const Fd& cgroup, const Fd& report, const std::function<void()>& prepare, const std::function<void()>& function);
