#pragma once

#include <string>
#include <vector>

/** The components of a name in an archive, without "." and empty ones: a leading slash means the archive's own root. Throws BadArchive for "..", which no archive needs. */
std::vector<std::string> partsOfName(const std::string& name);
