#include "init.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>

#include "../base/error.h"
#include "../base/file.h"
#include "../base/pass-descriptor.h"
#include "../shim/child.h"
#include "../shim/program.h"
#include "../shim/protected-paths.h"
#include "../shim/terminal.h"
#include "../shim/user-namespace.h"
#include "../netlink/links.h"
#include "hooks.h"
#include "root.h"

namespace {

/** The container's state. */
Json awaitGo(const Fd& go) {
  std::string text;
  char part[4096];
  for (ssize_t count; (count = retry([&] { return read(go.get(), part, sizeof part); })) > 0;) text.append(part, static_cast<size_t>(count));
  // `create` closes its end when it failed, and says why itself.
  if (text.empty()) _exit(1);
  return Json::parse(text, "the state of the container");
}

void setNames(const Settings& settings) {
  const auto& [host, domain] = std::tie(settings.hostname, settings.domainname);
  if (!host.empty()) check(sethostname(host.c_str(), host.size()), "set hostname", host);
  if (!domain.empty()) check(setdomainname(domain.c_str(), domain.size()), "set domain name", domain);
}

void setSysctls(const Settings& settings) {
  for (const auto& [name, value] : settings.sysctls) {
    if (name.find("..") != std::string::npos) failWith("linux.sysctl \"" + name + "\" is not a setting's name", EINVAL);
    std::string path = name;
    std::replace(path.begin(), path.end(), '.', '/');
    writeProcSetting("/proc/sys/" + path, value);
  }
}

/** The descriptors above the standard streams end with exec, whoever opened them. */
void closeOnExec() { check(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC), "close descriptors"); }

Fd awaitStart(InitEnds& ends) {
  Fd caller(check(retry([&] { return accept4(ends.start.get(), nullptr, nullptr, SOCK_CLOEXEC); }), "wait for", "start"));
  ends.start.reset();
  return caller;
}

/** Returns the container's state. */
Json setUp(const Spec& spec, const CgroupPlan& cgroups, InitEnds& ends) {
  const Settings& settings = spec.process.settings;
  Json state = awaitGo(ends.go);
  if (spec.has(CLONE_NEWUSER)) becomeRoot();
  setNames(settings);
  if (spec.hasOwn(CLONE_NEWNET)) {
    Netlink netlink;
    bringUp(netlink, "", "", "");
  }
  enterOciRoot(spec, cgroups, [&] { runHooks(spec.hooks, "createContainer", state.write()); });
  setSysctls(settings);
  if (settings.terminal.isTerminal) takeConsole(spec.process, ends.console, true);
  ends.console.reset();
  enterWorkingDir(settings.workingDir, true);
  protectPaths(settings);
  state.at("status") = Json::text("created");
  return state;
}

/** Says that it is created, and after `start` has come executes the program. */
[[noreturn]] void waitAndBecome(const Spec& spec, const SeccompFilter& filter, const Json& state, InitEnds& ends) {
  check(static_cast<int>(write(ends.report.get(), "+", 1)), "report", "to create");
  ends.report.reset();
  closeOnExec();
  const Fd starter = awaitStart(ends);
  try {
    runHooks(spec.hooks, "startContainer", state.write());
    becomeProcess(spec.process, filter, starter);
  } catch (const Failure& failure) {
    reportFailure(starter.get(), failure.text);
  }
}

}  // namespace

void takeConsole(const ProcessSettings& process, const Fd& console, bool isFirst) {
  const Terminal terminal = openTerminal(process.settings.terminal);
  if (isFirst) bindConsole(terminal.slave);
  sendDescriptor(console.get(), terminal.master.get());
  check(ioctl(terminal.slave.get(), TIOCSCTTY, 0), "take", "the terminal");
  check(fchown(terminal.slave.get(), process.identity.user, static_cast<gid_t>(-1)), "give away", "the terminal");
  for (int standard = 0; standard <= 2; standard++) check(dup2(terminal.slave.get(), standard), "dup");
}

void becomeProcess(const ProcessSettings& process, const SeccompFilter& filter, const Fd& starter) {
  const Settings& settings = process.settings;
  const auto load = [&] {
    if (const Fd listener = filter.load()) offerListener(starter, listener);
  };
  applyAttributes(process.attributes);
  if (process.personality != 0) check(personality(process.personality), "set linux.personality");
  if (process.umask >= 0) umask(static_cast<mode_t>(process.umask));
  if (settings.noNewPrivileges) check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs");
  else load();
  assumeIdentity(process.identity, process.capabilities);
  if (settings.noNewPrivileges) load();
  executeProgram(settings.args, settings.env);
}

void runInit(const Spec& spec, const CgroupPlan& cgroups, const SeccompFilter& filter, InitEnds ends) {
  try {
    beginAnew();
    const Json state = setUp(spec, cgroups, ends);
    waitAndBecome(spec, filter, state, ends);
  } catch (const Failure& failure) {
    reportFailure(ends.report.get(), failure.text);
  }
}
