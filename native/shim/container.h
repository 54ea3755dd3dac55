#pragma once

#include <sys/types.h>

#include "../base/fd.h"
#include "settings.h"

/** A container whose first process was cloned. */
struct Container {
  pid_t process;
  /** Readable when the process has ended. */
  Fd processFd;
  Fd output;
  Fd errors;
  /** Gives the reason why no program was executed; ends without one when it was. */
  Fd report;
};

/** Makes the cgroups, the first process in its namespaces, and its network. Throws, with nothing left running, when one of them cannot be had. */
Container launch(const Settings& settings);
