#pragma once

#include <string>

/** Mounts a device on a folder of the host. `options` are those of mount(8): flags by their names, the rest goes to the file system. Throws with what was tried. */
void mountOnHost(const std::string& type, const std::string& device, const std::string& options, const std::string& folder);

/** Takes off everything that is mounted on the folder, now from its name, and for good when nobody uses it any more. */
void unmountFromHost(const std::string& folder);
