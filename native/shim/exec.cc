#include "exec.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"
#include "cgroups.h"
#include "joined-process.h"

namespace {

[[noreturn]] void runChild(const Settings& settings, const Fd& joined, bool isRemapped, ChildEnds ends) {
  try {
    beginAnew();
    enterCgroups(settings.cgroups);
    setLimits(settings);
    const SeccompFilter filter(settings.seccompFilter, settings.seccompFlags);
    const int users = isRemapped ? CLONE_NEWUSER : 0;
    check(setns(joined.get(), users | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP), "join the container's namespaces");
    if (isRemapped) becomeRoot();
    becomeProgram(settings, ends, filter);
  } catch (const Failure& failure) {
    reportFailure(ends.report.get(), failure.text);
  }
}

}  // namespace

Child join(const Settings& settings) {
  const Fd joined = openJoined(settings);
  const auto maps = mapsOf(settings.joinedProcess);
  ChildStreams streams = makeStreams(settings.terminal);
  if (maps) giveStreams(streams.child, rootOf(*maps));
  // The child is in sight of the container before it is one of its programs: nobody there may look into it.
  check(prctl(PR_SET_DUMPABLE, 0), "hide from the container");
  check(setns(joined.get(), CLONE_NEWPID), "join the container's process namespace");
  const Fd cgroup = openUnifiedCgroup(settings.cgroups);
  int processFd = -1;
  clone_args arguments = {};
  arguments.flags = CLONE_PIDFD;
  if (cgroup) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(cgroup.get());
  }
  arguments.pidfd = reinterpret_cast<uint64_t>(&processFd);
  arguments.exit_signal = SIGCHLD;
  const auto process = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
  // A process namespace without its first process takes no more.
  if (process < 0 && errno == ENOMEM) failWith("the container has ended", ESRCH);
  check(process, "create process");
  if (process == 0) {
    streams.shim = Child();
    runChild(settings, joined, maps.has_value(), std::move(streams.child));
  }
  streams.child = ChildEnds();
  Child child = std::move(streams.shim);
  child.process = process;
  child.processFd = Fd(processFd);
  return child;
}
