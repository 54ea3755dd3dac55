#include "container.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "../base/error.h"
#include "../base/file.h"
#include "../netlink/links.h"
#include "cgroups.h"
#include "identity.h"
#include "program.h"
#include "rootfs.h"

namespace {

/** What the child has of its parent. Its own ends are the opposite of Container's. */
struct ChildEnds {
  Fd output;
  Fd errors;
  Fd report;
  /** Gives one byte when the network is there. */
  Fd go;
};

void resetSignals() {
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  check(sigprocmask(SIG_SETMASK, &none, nullptr), "unblock signals");
}

void setLimits(const Settings& settings) {
  writeSetting("/proc/self/oom_score_adj", settings.oomScoreAdj);
  for (const RlimitSettings& limit : settings.rlimits) {
    const rlimit64 value = {limit.soft, limit.hard};
    check(prlimit64(0, static_cast<__rlimit_resource>(limit.resource), &value, nullptr), "set resource limit", std::to_string(limit.resource));
  }
}

void setUpNetwork(const NetworkSettings& network, const Fd& go) {
  if (network.mode == "host") return;
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
    writeSetting("/proc/sys/" + path, value);
  }
}

void createDirectories(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0755) < 0 && errno != EEXIST) fail("create working directory", part);
    if (slash == std::string::npos) return;
  }
}

/** Before the identity changes: a directory that only root can enter is allowed, as in runc. */
void enterWorkingDir(const std::string& path) {
  if (chdir(path.c_str()) < 0) {
    if (errno != ENOENT) fail("change to working directory", path);
    createDirectories(path);
    check(chdir(path.c_str()), "change to working directory", path);
  }
  char resolved[4096];
  // A directory outside of the root (through a leaked descriptor) has no path.
  if (syscall(SYS_getcwd, resolved, sizeof resolved) < 0 || resolved[0] != '/') failWith("working directory " + path + " is outside of the container", EINVAL);
}

void takeStandardStreams(const ChildEnds& ends, const Identity& identity) {
  // So that the program may open /dev/stdout under its own user.
  check(fchown(ends.output.get(), identity.user, identity.group), "give away stdout");
  check(fchown(ends.errors.get(), identity.user, identity.group), "give away stderr");
  const Fd null = openFile("/dev/null", O_RDONLY);
  check(dup2(null.get(), 0), "dup");
  check(dup2(ends.output.get(), 1), "dup");
  check(dup2(ends.errors.get(), 2), "dup");
}

/** Nothing that leads to the host stays open, not even until exec. */
void closeAllBut(int kept) {
  const auto number = static_cast<unsigned>(kept);
  if (number > 3) check(close_range(3, number - 1, 0), "close descriptors");
  check(close_range(number + 1, ~0U, 0), "close descriptors");
}

/** Sets up everything from inside and executes the program. */
[[noreturn]] void becomeProgram(const Settings& settings, ChildEnds& ends, int report) {
  resetSignals();
  umask(0022);
  check(setsid(), "setsid");
  enterCgroups(settings.cgroups);
  check(unshare(CLONE_NEWCGROUP), "unshare cgroup namespace");
  setLimits(settings);
  if (!settings.hostname.empty()) check(sethostname(settings.hostname.c_str(), settings.hostname.size()), "set hostname", settings.hostname);
  enterRoot(settings);
  setUpNetwork(settings.network, ends.go);
  setSysctls(settings);
  const Identity identity = resolveIdentity(settings.user, settings.groups);
  takeStandardStreams(ends, identity);
  closeAllBut(report);
  enterWorkingDir(settings.workingDir.empty() ? "/" : settings.workingDir);
  protectPaths(settings);
  if (settings.noNewPrivileges) check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs");
  // A seccomp filter is to be loaded here when no_new_privs is not set, and after the identity when it is.
  assumeIdentity(identity, settings.capabilities);
  // After the identity, which clears it: without its parent nobody would read the output or tell the end.
  check(prctl(PR_SET_PDEATHSIG, SIGKILL), "set parent death signal");
  std::vector<std::string> env = settings.env;
  if (valueOf(env, "HOME").empty()) env.push_back("HOME=" + identity.home);
  executeProgram(settings.args, env);
}

[[noreturn]] void runChild(const Settings& settings, ChildEnds ends) {
  const int report = ends.report.release();
  try {
    becomeProgram(settings, ends, report);
  } catch (const Failure& failure) {
    const ssize_t written = write(report, failure.text.data(), failure.text.size());
    _exit(written < 0 ? 2 : 1);
  }
}

pid_t cloneProcess(const Settings& settings, int& processFd) {
  const Fd cgroup = openUnifiedCgroup(settings.cgroups);
  clone_args arguments = {};
  arguments.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_PIDFD;
  if (settings.network.mode != "host") arguments.flags |= CLONE_NEWNET;
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

Container launch(const Settings& settings) {
  createCgroups(settings.cgroups);
  Pipe output = makePipe();
  Pipe errors = makePipe();
  Pipe report = makePipe();
  Pipe go = makePipe();
  int processFd = -1;
  const pid_t process = cloneProcess(settings, processFd);
  if (process == 0) {
    go.write.reset();
    report.read.reset();
    runChild(settings, {std::move(output.write), std::move(errors.write), std::move(report.write), std::move(go.read)});
  }
  Container container = {process, Fd(processFd), std::move(output.read), std::move(errors.read), std::move(report.read)};
  go.read.reset();
  try {
    connectNetwork(settings.network, process, go.write);
  } catch (const Failure&) {
    kill(process, SIGKILL);
    retry([&] { return waitpid(process, nullptr, 0); });
    throw;
  }
  return container;
}
