#pragma once

#include "settings.h"

/** For a process whose root directory is the container's, after everything that must write below /proc and /sys: hides and write-protects paths, and the root if asked. */
void protectPaths(const Settings& settings);

void makeRootReadOnly();
