#include "container.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "../base/error.h"
#include "../base/file.h"
#include "../netlink/links.h"
#include "cgroups.h"
#include "rootfs.h"

namespace {

void joinNetwork(pid_t process) {
  const Fd network = openFile("/proc/" + std::to_string(process) + "/ns/net", O_RDONLY);
  check(setns(network.get(), CLONE_NEWNET), "join the network of process", std::to_string(process));
}

void setUpNetwork(const NetworkSettings& network, const Fd& go) {
  if (network.mode == "host" || network.mode == "container") return;
  Netlink netlink;
  if (network.mode == "none") {
    bringUp(netlink, "", "", "");
    return;
  }
  char byte;
  // The parent closes its end when it failed, and tells why itself.
  if (retry([&] { return read(go.get(), &byte, 1); }) != 1) _exit(1);
  bringUp(netlink, "eth0", network.address, network.gateway);
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
  setUpNetwork(settings.network, ends.go);
  setSysctls(settings);
  becomeProgram(settings, ends, filter);
}

[[noreturn]] void runChild(const Settings& settings, ChildEnds ends) {
  try {
    setUp(settings, ends);
  } catch (const Failure& failure) {
    reportFailure(ends.report.get(), failure.text);
  }
}

pid_t cloneProcess(const Settings& settings, int& processFd) {
  const Fd cgroup = openUnifiedCgroup(settings.cgroups);
  clone_args arguments = {};
  arguments.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_PIDFD;
  if (settings.network.mode != "host" && settings.network.mode != "container") arguments.flags |= CLONE_NEWNET;
  if (cgroup) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(cgroup.get());
  }
  arguments.pidfd = reinterpret_cast<uint64_t>(&processFd);
  arguments.exit_signal = SIGCHLD;
  return static_cast<pid_t>(check(static_cast<int>(syscall(SYS_clone3, &arguments, sizeof arguments)), "create namespaces"));
}

void connectNetwork(const NetworkSettings& network, pid_t process, const Fd& go) {
  if (network.mode != "bridge") return;
  Netlink netlink;
  createVeth(netlink, {network.hostInterface, network.bridge, "eth0", network.mac, network.mtu, process});
  // One that has ended already says why by itself.
  if (retry([&] { return write(go.get(), "+", 1); }) < 0 && errno != EPIPE) fail("write to", "the container");
}

}  // namespace

Child launch(const Settings& settings) {
  createCgroups(settings.cgroups);
  ChildStreams streams = makeStreams(settings.terminal);
  Pipe go = makePipe();
  int processFd = -1;
  const pid_t process = cloneProcess(settings, processFd);
  if (process == 0) {
    go.write.reset();
    streams.shim = Child();
    streams.child.go = std::move(go.read);
    runChild(settings, std::move(streams.child));
  }
  streams.child = ChildEnds();
  Child child = std::move(streams.shim);
  child.process = process;
  child.processFd = Fd(processFd);
  go.read.reset();
  try {
    connectNetwork(settings.network, process, go.write);
  } catch (const Failure&) {
    kill(process, SIGKILL);
    retry([&] { return waitpid(process, nullptr, 0); });
    throw;
  }
  return child;
}
