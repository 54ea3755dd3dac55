#pragma once

#include <sys/types.h>

#include "../base/fd.h"
#include "seccomp.h"
#include "settings.h"
#include "user-namespace.h"

/** A process that was cloned to become the program, as its shim holds it. */
struct Child {
  pid_t process = -1;
  /** Readable when the process has ended. */
  Fd processFd;
  /** Standard streams that are pipes; with a terminal there are none. */
  Fd input;
  Fd output;
  Fd errors;
  /** With a terminal: a socket that gives its master, or ends without one. */
  Fd terminal;
  /** Gives the reason why no program was executed; ends without one when it was. */
  Fd report;
};

/** The child's own ends of the same. */
struct ChildEnds {
  Fd input;
  Fd output;
  Fd errors;
  Fd terminal;
  Fd report;
  /** Gives one byte when the network is there. */
  Fd go;
};

/** Both ends of everything between shim and child, but for `go`. */
struct ChildStreams {
  Child shim;
  ChildEnds child;
};
ChildStreams makeStreams(const TerminalSettings& settings);

/** The program's ends belong to the root of its user namespace, who can give them away there. */
void giveStreams(const ChildEnds& ends, const HostIds& root);

/** All that a child has to say before it ends, or becomes a program. */
std::string readToEnd(const Fd& report);

/** Default signal handlers, nothing blocked, a session of its own. */
void beginAnew();

/** oom_score_adj, unless it is empty, and resource limits. */
void setLimits(const Settings& settings);

/** Before the identity changes: a directory that only root can enter is allowed, as in runc. Refuses one that has no path in the root. */
void enterWorkingDir(const std::string& path, bool isMade);

/** Nothing that leads to the host stays open, not even until exec. */
void closeAllBut(int kept);

/** In its final root and namespaces: takes streams, working directory, identity, filter, and executes the program. Returns only by a Failure. */
[[noreturn]] void becomeProgram(const Settings& settings, ChildEnds& ends, const SeccompFilter& filter);

/** Writes the reason into the report and ends the process. */
[[noreturn]] void reportFailure(int report, const std::string& reason);
