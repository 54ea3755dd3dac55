#pragma once

#include <string>
#include <vector>

#include "../base/fd.h"

/**
 * Makes shims. Small and without threads, so that its fork costs a tenth of a millisecond whatever the daemon's size.
 *
 * A request is its length (4 bytes, little endian) and the records of settings.h. The answer, a line, comes when the shim's socket listens:
 * `listening ID` or `failed ID reason`. What becomes of the container is told there. Ends when the daemon's end closes; shims live on.
 */
void serveSpawner(Fd daemon, const std::vector<std::string>& cgroupFiles);
