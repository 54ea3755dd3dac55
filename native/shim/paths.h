#pragma once

#include <string>
#include <string_view>

#include "../base/fd.h"

/** Path of a descriptor: a target for mount(2) that no symbolic link can redirect. */
std::string pathOf(int fd);

enum class NodeKind { directory, file };

/**
 * Opens (O_PATH) what `path` names inside `root`, as a process whose root directory is `root` would see it: symbolic links of the image, absolute ones too,
 * cannot lead out. What is missing is made: directories, and at the end a directory or an empty file.
 */
Fd openInRoot(int root, std::string_view path, NodeKind kind);

/** The same for what must be there: nothing is made. */
Fd openWithin(int root, const std::string& path);

/** As openInRoot, but refuses every symbolic link on the way: for the system's own mount points. */
Fd openPlainDirectory(int root, std::string_view path);

/**
 * For a process whose root directory is the container's: opens (O_PATH) what is there already, links resolved but not those of /proc that lead anywhere; none when
 * it is missing.
 */
Fd openExisting(const std::string& path);
