#include "child.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"
#include "../base/pass-descriptor.h"
#include "identity.h"
#include "program.h"
#include "protected-paths.h"
#include "terminal.h"

namespace {

constexpr int OUTPUT_PIPE_SIZE = 262144;

void createDirectories(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0755) < 0 && errno != EEXIST) fail("create working directory", part);
    if (slash == std::string::npos) return;
  }
}

/** The terminal becomes the session's own; its other end goes to the shim. */
void takeTerminal(const Settings& settings, const Fd& socket, const Identity& identity) {
  const Terminal terminal = openTerminal(settings.terminal);
  if (settings.joinedProcess == 0) bindConsole(terminal.slave);
  sendDescriptor(socket.get(), terminal.master.get());
  check(ioctl(terminal.slave.get(), TIOCSCTTY, 0), "take", "the terminal");
  check(fchown(terminal.slave.get(), identity.user, static_cast<gid_t>(-1)), "give away", "the terminal");
  for (int standard = 0; standard <= 2; standard++) check(dup2(terminal.slave.get(), standard), "dup");
}

/** The container's own null device. Where it has none any more, what ends at once as well: never the host's, whose mode a program could change. */
Fd openEmptyInput() {
  Fd null(open("/dev/null", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info = {};
  if (null && fstat(null.get(), &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3)) return null;
  return std::move(makePipe().read);
}

void takePipes(const ChildEnds& ends, const Identity& identity) {
  const Fd null = ends.input ? Fd() : openEmptyInput();
  const int streams[] = {ends.input ? ends.input.get() : null.get(), ends.output.get(), ends.errors.get()};
  for (int standard = 0; standard <= 2; standard++) {
    // So that the program may open /dev/stdout under its own user.
    if (streams[standard] != null.get()) check(fchown(streams[standard], identity.user, identity.group), "give away a standard stream");
    check(dup2(streams[standard], standard), "dup");
  }
}

}  // namespace

ChildStreams makeStreams(const TerminalSettings& settings) {
  ChildStreams streams;
  const auto take = [](Pipe pipe, Fd& read, Fd& write) {
    read = std::move(pipe.read);
    write = std::move(pipe.write);
  };
  take(makePipe(), streams.shim.report, streams.child.report);
  if (settings.isTerminal) {
    int ends[2];
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
    streams.shim.terminal = Fd(ends[0]);
    streams.child.terminal = Fd(ends[1]);
    return streams;
  }
  take(makePipe(), streams.shim.output, streams.child.output);
  take(makePipe(), streams.shim.errors, streams.child.errors);
  // More room than usual saves a program that writes much from waiting; where the kernel gives none, the usual will do.
  fcntl(streams.shim.output.get(), F_SETPIPE_SZ, OUTPUT_PIPE_SIZE);
  if (settings.hasInput) take(makePipe(), streams.child.input, streams.shim.input);
  return streams;
}

void giveStreams(const ChildEnds& ends, const HostIds& root) {
  for (const Fd* end : {&ends.input, &ends.output, &ends.errors}) {
    if (*end) check(fchown(end->get(), root.user, root.group), "give away a standard stream");
  }
}

std::string readToEnd(const Fd& report) {
  std::string text;
  char part[512];
  for (ssize_t count; (count = retry([&] { return read(report.get(), part, sizeof part); })) > 0;) text.append(part, static_cast<size_t>(count));
  return text;
}

void beginAnew() {
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  check(sigprocmask(SIG_SETMASK, &none, nullptr), "unblock signals");
  umask(0022);
  check(setsid(), "setsid");
}

void enterWorkingDir(const std::string& path, bool isMade) {
  if (chdir(path.c_str()) < 0) {
    if (errno != ENOENT || !isMade) fail("change to working directory", path);
    createDirectories(path);
    check(chdir(path.c_str()), "change to working directory", path);
  }
  char resolved[4096];
  // A directory outside of the root (through a leaked descriptor) has no path.
  if (syscall(SYS_getcwd, resolved, sizeof resolved) < 0 || resolved[0] != '/') failWith("working directory " + path + " is outside of the container", EINVAL);
}

void closeAllBut(int kept) {
  const auto number = static_cast<unsigned>(kept);
  if (number > 3) check(close_range(3, number - 1, 0), "close descriptors");
  check(close_range(number + 1, ~0U, 0), "close descriptors");
}

void setLimits(const Settings& settings) {
  if (!settings.oomScoreAdj.empty()) writeSetting("/proc/self/oom_score_adj", settings.oomScoreAdj);
  for (const RlimitSettings& limit : settings.rlimits) {
    const rlimit64 value = {limit.soft, limit.hard};
    check(prlimit64(0, static_cast<__rlimit_resource>(limit.resource), &value, nullptr), "set resource limit", std::to_string(limit.resource));
  }
}

void becomeProgram(const Settings& settings, ChildEnds& ends, const SeccompFilter& filter) {
  const bool isFirst = settings.joinedProcess == 0;
  const Identity identity = resolveIdentity(settings.user, settings.groups);
  if (ends.terminal) takeTerminal(settings, ends.terminal, identity);
  else takePipes(ends, identity);
  closeAllBut(ends.report.get());
  enterWorkingDir(settings.workingDir.empty() ? "/" : settings.workingDir, isFirst);
  if (isFirst) protectPaths(settings);
  // With no_new_privs anyone may load a filter: then as late as can be. Without, it takes a capability that is about to go.
  if (settings.noNewPrivileges) check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs");
  else filter.load();
  assumeIdentity(identity, capabilitiesFor(identity, settings.capabilities));
  // After the identity, which clears it: without its parent nobody would read the output or tell the end.
  check(prctl(PR_SET_PDEATHSIG, SIGKILL), "set parent death signal");
  if (settings.noNewPrivileges) filter.load();
  std::vector<std::string> env = settings.env;
  if (valueOf(env, "HOME").empty()) env.push_back("HOME=" + identity.home);
  executeProgram(settings.args, env);
}

void reportFailure(int report, const std::string& reason) {
  const ssize_t written = write(report, reason.data(), reason.size());
  _exit(written < 0 ? 2 : 1);
}
