#pragma once

#include "../base/fd.h"
#include "../shim/seccomp.h"
#include "cgroup-plan.h"
#include "spec.h"

/** What the container's first process has from `create`. */
struct InitEnds {
  /** Gives the container's state when identifiers are mapped and the hooks of `create` were run, and ends. */
  Fd go;
  /** Gets `+` when the container is created, or the reason why it cannot be. */
  Fd report;
  /** Where `start` comes. */
  Fd start;
  /** Gets the terminal's other end; none without a terminal. */
  Fd console;
};

/** The first process, in its namespaces. */
[[noreturn]] void runInit(const Spec& spec, const CgroupPlan& cgroups, const SeccompFilter& filter, InitEnds ends);

/**
 * Takes umask, filter, identity and the rest and executes the program, in the container already. Returns only by a Failure. `starter` reads what it says until then
 * (awaitExecution).
 */
[[noreturn]] void becomeProcess(const ProcessSettings& process, const SeccompFilter& filter, const Fd& starter);

/** Opens a terminal in the container, takes it for the standard streams, and sends its other end. */
void takeConsole(const ProcessSettings& process, const Fd& console, bool isFirst);
