#pragma once

#include "../base/json.h"
#include "limits.h"

/** `linux.resources` but for its devices. Throws with the path in the document. */
void takeResources(Limits& limits, const Json& resources);
