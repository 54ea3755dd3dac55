#pragma once

#include <string>

#include "../base/fd.h"
#include "../shim/settings.h"

/**
 * Ways for this process to see a container's files as its programs do. After each, "/" is the container's root and nothing else can be reached: a link, however it
 * is changed meanwhile, leads to a file of the container. The process must be alone (no threads), and stays where it is until it ends.
 *
 * One that runs is joined (`join.process`): what is written is there for its programs at once, mounts included. For one that does not run its overlay and mounts are made
 * in a mount namespace of this process's own.
 */

/** `isWritten` false keeps every change, mount points that are missing for instance, out of the container's own layer. Throws Failure with ESRCH when it has ended. */
void enterFiles(const Settings& settings, bool isWritten);

/** The container's own file system without what is mounted in it, as an open folder. */
Fd openBareRoot(const Settings& settings);

/** Only the layers of its image. */
void enterImage(const Settings& settings);

/**
 * Opens (O_PATH) what an absolute path names. A last component that is a link is followed only when `isFollowed`, or when a slash comes after it. Links of /proc that lead out
 * of everything are refused. Throws Refusal (missing, invalid).
 */
Fd openPath(const std::string& path, bool isFollowed);

/** Where links at the end of a path lead at last, as an absolute path of the container; what is not there is left as it is written. */
std::string finalTarget(const std::string& path);
