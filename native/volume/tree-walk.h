#pragma once

#include <cstdint>
#include <string>

/** Bytes of the files below a folder, one of several names counted once. Other file systems that are mounted below are left out. */
uint64_t sizeOfTree(const std::string& folder);

/** Removes a folder and everything in it, however deep a hostile program made it. Throws before it touches another file system that is mounted below. */
void removeTree(const std::string& folder);
