#include "execute.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>


#include "../base/error.h"
#include "../base/file.h"
#include "../shim/cgroups.h"
#include "../shim/child.h"
#include "../shim/clone-apart.h"
#include "../shim/user-namespace.h"
#include "create.h"
#include "fields.h"
#include "init.h"
#include "names.h"
#include "seccomp-policy.h"
#include "spec.h"

namespace {

constexpr size_t PROCESS_SIZE_MAX = 16U << 20;

ProcessSettings processOf(const Spec& spec, const ExecuteOptions& options) {
  if (!options.processFile.empty()) {
    const auto text = readRegularFile(options.processFile, PROCESS_SIZE_MAX);
    if (!text) failWith(options.processFile + " cannot be read", ENOENT);
    ProcessSettings process = parseProcess(Json::parse(*text, options.processFile), "process");
    process.personality = spec.process.personality;
    return process;
  }
  ProcessSettings process = spec.process;
  Settings& settings = process.settings;
  settings.args = options.args;
  settings.env.insert(settings.env.end(), options.env.begin(), options.env.end());
  if (!options.workingDir.empty()) settings.workingDir = options.workingDir;
  settings.terminal.isTerminal = options.isTerminal;
  if (options.user.empty()) return process;
  const size_t colon = options.user.find(':');
  process.identity = {idOf(options.user.substr(0, colon), "user"), process.identity.group, {}, ""};
  if (colon != std::string::npos) process.identity.group = idOf(options.user.substr(colon + 1), "group");
  return process;
}

std::vector<CgroupSettings> cgroupsOf(const Json& container) {
  std::vector<CgroupSettings> groups;
  for (const Json& group : container["cgroups"].items()) groups.push_back({group["path"].literal(), group["isUnified"].isTrue(), {}, {}});
  return groups;
}

/** Those in which the process is and we are not: one's own user namespace cannot be joined. */
int foreignNamespaces(const std::string& process) {
  int flags = 0;
  for (const std::string& name : namespaceNames()) {
    const unsigned long flag = namespaceFlag(name);
    struct stat own = {}, theirs = {};
    const std::string file = std::string("/ns/") + namespaceFile(flag);
    if (stat(("/proc/self" + file).c_str(), &own) < 0 || stat(("/proc/" + process + file).c_str(), &theirs) < 0) continue;
    if (own.st_ino != theirs.st_ino || own.st_dev != theirs.st_dev) flags |= static_cast<int>(flag);
  }
  return flags;
}

struct Entry {
  const ProcessSettings& process;
  const SeccompFilter& filter;
  const Fd& console;
  const Fd& report;
  bool isInUserNamespace;
};

[[noreturn]] void runChild(const Entry& entry) {
  try {
    beginAnew();
    if (entry.isInUserNamespace) becomeRoot();
    if (entry.console) takeConsole(entry.process, entry.console, false);
    check(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC), "close descriptors");
    enterWorkingDir(entry.process.settings.workingDir, false);
    becomeProcess(entry.process, entry.filter, entry.report);
  } catch (const Failure& failure) {
    reportFailure(entry.report.get(), failure.text);
  }
}

/** Both ends can be read: who takes a listener says so. */
Pipe makeReport() {
  int ends[2];
  check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

int waitFor(pid_t process) {
  int status = 0;
  check(retry([&] { return waitpid(process, &status, 0); }), "wait for", std::to_string(process));
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

int executeInContainer(const ContainerStore& store, const ExecuteOptions& options) {
  const Json container = store.read();
  const Fd first = store.openProcess(container);
  if (!first || store.statusOf(container) != "running") failWith("container " + store.id() + " is not running", ESRCH);
  const std::string number = container["pid"].literal();
  const std::string bundle = container["bundle"].literal();
  // The bundle may have been changed or removed since; containers of earlier versions have it there alone.
  const auto kept = store.readConfig();
  const Spec spec = parseSpec(kept ? *kept : readConfig(bundle), bundle);
  const ProcessSettings process = processOf(spec, options);
  const SeccompFilter filter = compileSeccomp(spec.seccomp, options.programs);
  const Fd console = connectToConsole(options.consoleSocket, process.settings.terminal.isTerminal);
  const std::vector<CgroupSettings> groups = cgroupsOf(container);
  const int flags = foreignNamespaces(number);
  const ListenerDelivery delivery(spec.listener);
  Pipe report = makeReport();
  const auto prepare = [&] {
    enterCgroups(groups);
    // Before the container's cgroup namespace is: where namespaces are delegated, as systemd mounts version 2, nobody gets from outside of one into it.
    for (const CgroupSettings& group : groups) {
      if (group.isUnified) writeSetting(group.path + "/cgroup.procs", "0");
    }
    setLimits(process.settings);
    // In sight of the container before it is one of its programs: nobody there may look into it.
    check(prctl(PR_SET_DUMPABLE, 0), "hide from the container");
    check(setns(first.get(), flags), "join the container's namespaces");
  };
  const pid_t child = cloneApart(0, Fd(), report.write, prepare, [&] { runChild({process, filter, console, report.write, (flags & CLONE_NEWUSER) != 0}); });
  report.write.reset();
  const std::string reason = awaitExecution(report.read, [&](int taken) { delivery.deliver(child, taken, store.stateOf(container)); });
  if (child > 0 && !reason.empty()) waitFor(child);
  if (child == 0 || !reason.empty()) failWith(reason.empty() ? "the process ended unexpectedly" : reason);
  writePidFile(options.pidFile, child);
  return options.isDetached ? 0 : waitFor(child);
}
