#pragma once

#include <cstdint>
#include <string>

/**
 * openat2(2) with O_CLOEXEC: negative, with errno, when there is nothing to be opened. Resolved again when a rename or a mount anywhere on the machine came between two steps of
 * a path with "..", where the kernel cannot tell whether it still was below `root` (EAGAIN).
 */
int openResolved(int root, const std::string& path, uint64_t flags, uint64_t resolve);

/** Takes the first part and the slash after it off a path that is resolved by hand; empty for what begins with a slash. */
std::string takePart(std::string& path);
