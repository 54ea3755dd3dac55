#pragma once

#include <string>

#include "../base/fd.h"
#include "settings.h"
#include "shared-namespaces.h"

/**
 * For the container's first process in its new mount namespace: makes all mounts of the container there (the host never sees one) and makes the result its
 * root directory. /proc is the one of the calling process's pid namespace, /sys the one of its network namespace.
 */
void enterRoot(const Settings& settings, const SharedNamespaces& shared);

/**
 * For the process that makes the first one of a container in a user namespace with `maps`, which `users` has too: makes all that only the host's root can, in a mount
 * namespace of the caller's own, and leaves it in a folder there. The container gets a copy of that namespace, in which the kernel holds fast what was set here: nobody
 * inside, whatever he may do, takes a bind's write protection back.
 */
void prepareRoot(const Settings& settings, const IdMaps& maps, const Fd& users);

/** Where prepareRoot leaves layers and writable layer as one tree, for who makes the rest itself; bind number N is beside it as `N`, devices are in `dev`. */
std::string preparedRoot(const Settings& settings);

/** The rest of it, as enterRoot, in the same folder. */
void enterPreparedRoot(const Settings& settings);

/** Mounts the layers at `settings.root`, for who makes the rest itself. */
void mountRoot(const Settings& settings);

/**
 * The same for a process that only works on the container's files: overlay and binds, nothing of the system. The mount namespace must be its own, and a slave.
 */
void enterFilesystem(const Settings& settings);
