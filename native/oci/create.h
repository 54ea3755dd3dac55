#pragma once

#include <string>

#include "../base/fd.h"
#include "container-store.h"

struct CreateOptions {
  std::string bundle;
  std::string pidFile;
  std::string consoleSocket;
  /** Where swarm-seccomp is. */
  std::string programs;
};

/** `create`: everything of the container but its program, which waits for `start`. Leaves nothing when it throws. */
void createContainer(const ContainerStore& store, const CreateOptions& options);

/** The socket to which the other end of a process's terminal is to be sent; none without a terminal. Throws when there is one without the other. */
Fd connectToConsole(const std::string& path, bool isTerminal);

/** Writes the number whole or not at all; does nothing for an empty path. */
void writePidFile(const std::string& path, pid_t process);
