#pragma once

#include "settings.h"

/** /dev inside `root`: a tmpfs with the nodes and links of the OCI runtime specification (default devices), those asked for, devpts, shm and mqueue. */
void mountDevices(int root, const Settings& settings);
