#include "container.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
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

/** Sets up everything from inside and executes the program. */
[[noreturn]] void setUp(const Settings& settings, ChildEnds& ends) {
  beginAnew();
  enterCgroups(settings.cgroups);
  check(unshare(CLONE_NEWCGROUP), "unshare cgroup namespace");
  setLimits(settings);
  setNames(settings);
  const SeccompFilter filter(settings.seccompFilter, settings.seccompFlags);
  if (settings.network.mode == "container") joinNetwork(settings.network.process);
  enterRoot(settings);
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
  check(unshare(CLONE_NEWCGROUP), "unshare cgroup namespace");
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
  return own & ~settings.namespacesOfHost;
}

pid_t cloneProcess(const Settings& settings, int& processFd) {
  const Fd cgroup = openUnifiedCgroup(settings.cgroups);
  clone_args arguments = {};
  arguments.flags = namespacesOf(settings) | CLONE_PIDFD;
  if (cgroup) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(cgroup.get());
  }
  arguments.pidfd = reinterpret_cast<uint64_t>(&processFd);
  arguments.exit_signal = SIGCHLD;
  return static_cast<pid_t>(check(static_cast<int>(syscall(SYS_clone3, &arguments, sizeof arguments)), "create namespaces"));
}

/** The user namespace of the container whose network is shared: that network is its. */
struct JoinedUsers {
  Fd users;
  Fd network;
  IdMaps maps;
};

std::optional<JoinedUsers> joinedUsers(const NetworkSettings& network) {
  if (network.mode != "container") return std::nullopt;
  const auto maps = mapsOf(network.process);
  if (!maps) failWith("the container whose network is to be joined is in the host's user namespace, and this one is not", EINVAL);
  const std::string folder = "/proc/" + std::to_string(network.process) + "/ns/";
  return JoinedUsers{openFile(folder + "user", O_RDONLY), openFile(folder + "net", O_RDONLY), *maps};
}

/** In a user namespace nobody gets into a group that is not delegated to it, neither by himself nor by his birth. */
void enterJoined(const Settings& settings, const JoinedUsers& joined) {
  for (const CgroupSettings& group : settings.cgroups) {
    if (group.isUnified) writeSetting(group.path + "/cgroup.procs", "0");
  }
  check(setns(joined.network.get(), CLONE_NEWNET), "join the network of process", std::to_string(settings.network.process));
  check(setns(joined.users.get(), CLONE_NEWUSER), "join the user namespace of process", std::to_string(settings.network.process));
}

/** The shim's child in a user namespace; a process between it and the shim prepares what only the host's root can. */
pid_t cloneRemapped(const Settings& settings, ChildStreams& streams, Pipe& go) {
  const std::optional<JoinedUsers> joined = joinedUsers(settings.network);
  const IdMaps& maps = joined ? joined->maps : settings.maps;
  std::optional<SeccompFilter> filter;
  const auto prepare = [&] {
    enterCgroups(settings.cgroups);
    setLimits(settings);
    filter.emplace(settings.seccompFilter, settings.seccompFlags);
    giveStreams(streams.child, rootOf(maps));
    if (joined) prepareRoot(settings, maps, joined->users);
    else prepareRoot(settings, maps, makeUserNamespace(maps));
    if (joined) enterJoined(settings, *joined);
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
    if (settings.network.mode != "container") writeMaps(process, settings.maps);
    letGo(go);
  }
  connectNetwork(settings.network, process);
  letGo(go);
}

pid_t makeProcess(const Settings& settings, ChildStreams& streams, Pipe& go, int& processFd) {
  if (!settings.maps.users.empty()) {
    const pid_t process = cloneRemapped(settings, streams, go);
    processFd = check(static_cast<int>(syscall(SYS_pidfd_open, process, 0)), "open process", std::to_string(process));
    return process;
  }
  const pid_t process = cloneProcess(settings, processFd);
  if (process != 0) return process;
  go.write.reset();
  streams.shim = Child();
  streams.child.go = std::move(go.read);
  runChild(std::move(streams.child), [&](ChildEnds& ends) { setUp(settings, ends); });
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
