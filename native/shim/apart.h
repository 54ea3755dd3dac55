#pragma once

#include <functional>

#include "../base/fd.h"

/**
 * Calls the function in a process of its own and waits for its end: for what would change the caller's namespaces or root, or executes a program. Throws what it
 * threw; `what` with its exit status when that is not 0; and, having killed it, after `timeoutMs`.
 */
void runApart(const char* what, int timeoutMs, const std::function<void()>& function);
