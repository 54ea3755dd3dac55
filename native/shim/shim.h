#pragma once

#include "../base/fd.h"
#include "settings.h"

/**
 * The life of one container's parent; called in a fresh fork, never returns. Starts the container, keeps its output in the log, serves the socket
 * (control.h), and at the end writes FOLDER/exit durably, tells it to who listens, and removes cgroups, link and socket.
 *
 * FOLDER/exit is JSON: exitCode, isOutOfMemory, pid, startedAtNs, finishedAtNs (text: they are beyond a double), or `error` when no program was executed.
 */
[[noreturn]] void runShim(Settings settings, Fd listener);
