#pragma once

#include <string>

#include "../base/json.h"

/**
 * Runs the hooks of one point (`prestart`, `createRuntime`, `createContainer`, `startContainer`, `poststart`, `poststop`) one after the other, each with the container's
 * state on its standard input. Throws, with the hook's path and the end of what it said, for the first that fails or takes longer than its timeout.
 */
void runHooks(const Json& hooks, const char* point, const std::string& state);

/** The same, but those after one that fails are run as well, as `poststop` wants it. */
void runAllHooks(const Json& hooks, const char* point, const std::string& state);
