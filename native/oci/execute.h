#pragma once

#include <string>
#include <vector>

#include "container-store.h"

struct ExecuteOptions {
  /** File with a process as in config.json; empty takes config.json's own with what follows. */
  std::string processFile;
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string workingDir;
  /** UID[:GID]. */
  std::string user;
  bool isTerminal = false;
  bool isDetached = false;
  std::string pidFile;
  std::string consoleSocket;
  /** Where swarm-seccomp is. */
  std::string programs;
};

/** `exec`: one more process in a running container. Returns its exit status, or 0 once it is executed when it is detached. */
int executeInContainer(const ContainerStore& store, const ExecuteOptions& options);
