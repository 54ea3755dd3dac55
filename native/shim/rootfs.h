#pragma once

#include <vector>

#include "../base/fd.h"
#include "settings.h"

/**
 * For the container's first process in its new mount namespace: makes all mounts of the container there (the host never sees one) and makes the result its
 * root directory. /proc is the one of the calling process's pid namespace, /sys the one of its network namespace.
 */
void enterRoot(const Settings& settings);

/** What a root in a user namespace is made of that only the host's root can make. Mounted nowhere yet. */
struct PreparedRoot {
  /** Layers and devices. */
  Fd tree;
  /** One for each of `settings.mounts`; empty for a tmpfs. */
  std::vector<Fd> sources;
};

/**
 * For the process that makes the first one of a container in a user namespace with `maps`, which `users` has too: leaves it in a mount namespace of its own, whose
 * copy the container gets, in the folder where the container is to mount its root.
 */
PreparedRoot prepareRoot(const Settings& settings, const IdMaps& maps, const Fd& users);

/** The rest of it, as enterRoot. */
void enterPreparedRoot(const Settings& settings, const PreparedRoot& prepared);

/** Mounts the layers at `settings.root`, for who makes the rest itself. */
void mountRoot(const Settings& settings);

/**
 * The same for a process that only works on the container's files: overlay and binds, nothing of the system. The mount namespace must be its own, and a slave.
 */
void enterFilesystem(const Settings& settings);

/** After everything that must write below /proc and /sys: hides and write-protects paths, and the root if asked. */
void protectPaths(const Settings& settings);
