#pragma once

#include <functional>

#include "../shim/settings.h"
#include "cgroup-plan.h"
#include "spec.h"

/**
 * For the container's first process in its mount namespace: mounts everything that the specification asks for below its root, the usual devices, and makes the result
 * the root directory. Every path inside is resolved within the root by the kernel. `beforePivot` is called while the host's files can still be seen.
 */
void enterOciRoot(const Spec& spec, const CgroupPlan& cgroups, const std::function<void()>& beforePivot);
