#pragma once

#include <cstdint>
#include <string>

#include "../base/fd.h"
#include "inode.h"

/**
 * Writes what a writable layer changes of its image, which must be the root of this process: records of a letter (A added, C changed, D deleted), a path and a NUL,
 * sorted. A folder has changed when its own attributes have, or names in it came or went.
 */
void writeChanges(const Fd& upper, const Inodes& inodes, int output);

/** Bytes in the files below a folder, each file once. What lies more than 1,000 folders deep is not counted. */
uint64_t sizeOfTree(const Fd& folder, const Inodes& inodes);
