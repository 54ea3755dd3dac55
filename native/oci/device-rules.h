#pragma once

#include <string>
#include <vector>

#include "../base/json.h"
#include "limits.h"

/** `linux.resources.devices` for the controller of version 1, where it is mounted. */
void takeDevices(Limits& limits, const Json& resources);

/** The same for the filter of version 2 (shim/device-filter.h), in the order of the document; none when everything may be opened. */
std::vector<std::string> deviceFilterRules(const Json& resources);
