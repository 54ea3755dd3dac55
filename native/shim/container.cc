#include "container.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "../base/error.h"
#include "../base/file.h"
#include "cgroups.h"
#include "clone-apart.h"
#include "network.h"
#include "rootfs.h"
#include "shared-namespaces.h"
#include "user-namespace.h"

namespace {

/** Until the shim has made the network; it closes its end when it could not, and tells why itself. */
void awaitNetwork(const NetworkSettings& network, const Fd& go) {
  if (network.mode == "host" || network.mode == "container") return;
  char byte;
  if (retry([&] { return read(go.get(), &byte, 1); }) != 1) _exit(1);
}

void setSysctls(const Settings& settings) {
  for (const auto& [name, value] : settings.sysctls) {
    std::string path = name;
    std::replace(path.begin(), path.end(), '.', '/');
    writeProcSetting("/proc/sys/" + path, value);
  }
}

void setNames(const Settings& settings) {
  const auto& [host, domain] = std::tie(settings.hostname, settings.domainname);
  if (!host.empty()) check(sethostname(host.c_str(), host.size()), "set hostname", host);
  if (!domain.empty()) check(setdomainname(domain.c_str(), domain.size()), "set domain name", domain);
}

/** When it is in its groups: they are the root of what it sees. */
void leaveCgroupNamespace(const Settings& settings) {
  if ((settings.namespacesOfHost & CLONE_NEWCGROUP) == 0) check(unshare(CLONE_NEWCGROUP), "unshare cgroup namespace");
}

/** Sets up everything from inside and executes the program. */
[[noreturn]] void setUp(const Settings& settings, const SharedNamespaces& shared, ChildEnds& ends) {
  beginAnew();
  enterCgroups(settings.cgroups);
  leaveCgroupNamespace(settings);
  setLimits(settings);
  setNames(settings);
  const SeccompFilter filter(settings.seccompFilter, settings.seccompFlags);
  shared.join(CLONE_NEWNET | CLONE_NEWIPC);
  enterRoot(settings, shared);
  awaitNetwork(settings.network, ends.go);
  setSysctls(settings);
  becomeProgram(settings, ends, filter);
}

/** The same in a user namespace, whose maps come with the first byte. */
[[noreturn]] void setUpRemapped(const Settings& settings, ChildEnds& ends, const SeccompFilter& filter) {
  beginAnew();
  char byte;
  if (retry([&] { return read(ends.go.get(), &byte, 1); }) != 1) _exit(1);
  becomeRoot();
  leaveCgroupNamespace(settings);
  setNames(settings);
  enterPreparedRoot(settings);
  awaitNetwork(settings.network, ends.go);
  setSysctls(settings);
  becomeProgram(settings, ends, filter);
}

/** The function ends in the program, or by a Failure. */
template <typename SetUp>
[[noreturn]] void runChild(ChildEnds ends, const SetUp& function) {
  try {
    function(ends);
  } catch (const Failure& failure) {
    reportFailure(ends.report.get(), failure.text);
  }
  _exit(1);
}

uint64_t namespacesOf(const Settings& settings) {
  const bool hasOwnNetwork = settings.network.mode != "host" && settings.network.mode != "container";
  const uint64_t own = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | (hasOwnNetwork ? CLONE_NEWNET : 0);
  return own & ~settings.namespacesOfHost & ~sharedKinds(settings);
}

/** Comes back from the namespace of processes that its child is in: what the shim starts later is none of that container's. */
pid_t cloneProcess(const Settings& settings, const SharedNamespaces& shared, int& processFd) {
  const Fd cgroup = openUnifiedCgroup(settings.cgroups);
  clone_args arguments = {};
  arguments.flags = namespacesOf(settings) | CLONE_PIDFD;
  if (cgroup) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(cgroup.get());
  }
  arguments.pidfd = reinterpret_cast<uint64_t>(&processFd);
  arguments.exit_signal = SIGCHLD;
  const Fd own = shared.isNone() ? Fd() : openFile("/proc/self/ns/pid", O_RDONLY);
  shared.join(CLONE_NEWPID);
  const auto process = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
  if (process == 0) return process;
  const int error = errno;
  if (own) check(setns(own.get(), CLONE_NEWPID), "leave a namespace of processes");
  errno = error;
  // A process namespace without its first process takes no more.
  if (process < 0 && error == ENOMEM && (sharedKinds(settings) & CLONE_NEWPID) != 0) failWith("the container whose processes are to be joined has ended", ESRCH);
  return check(process, "create namespaces");
}

/** In a user namespace nobody gets into a group that is not delegated to it, neither by himself nor by his birth. */
void enterShared(const Settings& settings, const SharedNamespaces& shared, const Fd& users) {
  for (const CgroupSettings& group : settings.cgroups) {
    if (group.isUnified) writeSetting(group.path + "/cgroup.procs", "0");
  }
  shared.join(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWPID);
  check(setns(users.get(), CLONE_NEWUSER), "join the user namespace of another container");
}

/** The shim's child in a user namespace; a process between it and the shim prepares what only the host's root can. */
pid_t cloneRemapped(const Settings& settings, const SharedNamespaces& shared, ChildStreams& streams, Pipe& go) {
  const std::optional<SharedUsers> joined = shared.isNone() ? std::nullopt : std::optional(shared.openUsers());
  const IdMaps& maps = joined ? joined->maps : settings.maps;
  std::optional<SeccompFilter> filter;
  const auto prepare = [&] {
    enterCgroups(settings.cgroups);
    setLimits(settings);
    filter.emplace(settings.seccompFilter, settings.seccompFlags);
    giveStreams(streams.child, rootOf(maps));
    if (joined) prepareRoot(settings, maps, joined->users);
    else prepareRoot(settings, maps, makeUserNamespace(maps));
    if (joined) enterShared(settings, shared, joined->users);
  };
  const Fd cgroup = joined ? Fd() : openUnifiedCgroup(settings.cgroups);
  const pid_t process = cloneApart(namespacesOf(settings) | (joined ? 0 : CLONE_NEWUSER), cgroup, streams.child.report, prepare, [&] {
    go.write.reset();
    streams.shim = Child();
    streams.child.go = std::move(go.read);
    runChild(std::move(streams.child), [&](ChildEnds& ends) { setUpRemapped(settings, ends, *filter); });
  });
  if (process == 0) {
    streams.child.report.reset();
    const std::string reason = readToEnd(streams.shim.report);
    failWith(reason.empty() ? "the process that makes the container ended unexpectedly" : reason);
  }
  return process;
}

void letGo(const Fd& go) {
  // One that has ended already says why by itself.
  if (retry([&] { return write(go.get(), "+", 1); }) < 0 && errno != EPIPE) fail("write to", "the container");
}

void connect(const Settings& settings, pid_t process, const Fd& go) {
  if (!settings.maps.users.empty()) {
    if (settings.shared.empty()) writeMaps(process, settings.maps);
    letGo(go);
  }
  connectNetwork(settings.network, process);
  letGo(go);
}

pid_t makeProcess(const Settings& settings, ChildStreams& streams, Pipe& go, int& processFd) {
  const SharedNamespaces shared(settings);
  // The first process is in sight of another container before it is one of this one's programs: nobody there may look into it.
  if (!shared.isNone()) check(prctl(PR_SET_DUMPABLE, 0), "hide from the other container");
  if (!settings.maps.users.empty()) {
    const pid_t process = cloneRemapped(settings, shared, streams, go);
    processFd = check(static_cast<int>(syscall(SYS_pidfd_open, process, 0)), "open process", std::to_string(process));
    return process;
  }
  const pid_t process = cloneProcess(settings, shared, processFd);
  if (process != 0) return process;
  go.write.reset();
  streams.shim = Child();
  streams.child.go = std::move(go.read);
  runChild(std::move(streams.child), [&](ChildEnds& ends) { setUp(settings, shared, ends); });
}

}  // namespace

Child launch(const Settings& settings) {
  createCgroups(settings.cgroups);
  ChildStreams streams = makeStreams(settings.terminal);
  Pipe go = makePipe();
  int processFd = -1;
  const pid_t process = makeProcess(settings, streams, go, processFd);
  streams.child = ChildEnds();
  Child child = std::move(streams.shim);
  child.process = process;
  child.processFd = Fd(processFd);
  go.read.reset();
  try {
    connect(settings, process, go.write);
  } catch (const Failure&) {
    kill(process, SIGKILL);
    retry([&] { return waitpid(process, nullptr, 0); });
    // What the child said before it ended is why its network could not be made.
    const std::string reason = readToEnd(child.report);
    if (!reason.empty()) failWith(reason);
    throw;
  }
  return child;
}
