#pragma once

#include "../base/fd.h"
#include "settings.h"

/** The two ends of a pseudo-terminal. */
struct Terminal {
  Fd master;
  Fd slave;
};

/** Opens one in the /dev/pts of the calling process's root, in the asked size. Refuses what is not a terminal multiplexer: the container may have put it there. */
Terminal openTerminal(const TerminalSettings& settings);

/** Rows and columns of a terminal; 0 or the errno. */
int resizeTerminal(int fd, unsigned short rows, unsigned short columns);

/** Makes the terminal also the container's /dev/console. */
void bindConsole(const Fd& slave);
