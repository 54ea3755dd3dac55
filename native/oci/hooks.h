#pragma once

#include <string>
#include <vector>

#include "../base/json.h"

/**
 * Runs the hooks of one point (`prestart`, `createRuntime`, `createContainer`, `startContainer`, `poststart`, `poststop`) one after the other, each with the container's
 * state on its standard input. Throws, with the hook's path and the end of what it said, for the first that fails or takes longer than its timeout.
 */
void runHooks(const Json& hooks, const char* point, const std::string& state);

/** The same for `poststart` and `poststop`: nothing depends on them any more, so all are run, and those that fail are only told of. */
std::vector<std::string> runAllHooks(const Json& hooks, const char* point, const std::string& state);
