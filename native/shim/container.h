#pragma once

#include "child.h"

/** Makes the cgroups, the container's first process in its namespaces, and its network. Throws, with nothing left running, when one of them cannot be had. */
Child launch(const Settings& settings);
