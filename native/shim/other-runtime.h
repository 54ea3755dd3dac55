#pragma once

#include "child.h"

/**
 * Another OCI runtime (runc, crun) below the shim, in place of container.h and exec.h: the shim mounts the layers, writes the bundle, connects the network and calls
 * the runtime's program (`create`, `start`, `exec`, `kill`, `delete`) by the OCI runtime command line interface. It becomes the parent of what the runtime leaves,
 * and is to the daemon what it always is.
 */
Child launchBelow(const Settings& settings);

/** One more program in a container of the runtime. */
Child joinBelow(const Settings& settings);

/** 0 or the errno. */
int killBelow(const OtherRuntimeSettings& runtime, int signal);

/** Removes the runtime's container, if there is one, and the bundle. */
void removeBelow(const OtherRuntimeSettings& runtime);
