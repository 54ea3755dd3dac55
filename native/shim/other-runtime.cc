#include "other-runtime.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"
#include "apart.h"
#include "bundle.h"
#include "cgroups.h"
#include "container-mounts.h"
#include "joined-process.h"
#include "mount-calls.h"
#include "network.h"
#include "program.h"
#include "rootfs.h"
#include "user-namespace.h"

namespace {

/** Layers on a slow disk and hooks count in. */
constexpr int CREATE_MS = 60000;
/** `kill` and `delete` wait for nothing but the machine. */
constexpr int CALL_MS = 20000;

const std::vector<std::string> ENVIRONMENT = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};

bool isUnified(const std::string& path) {
  struct statfs info = {};
  return statfs(path.c_str(), &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC;
}

/**
 * Where version 2 is mounted beside version 1: enters the version 2 group, which the runtime does not know, and puts empty folders of that name in its place, for
 * crun refuses to work where it sees both, and where it cannot make its group. Needs a mount namespace of its own.
 */
void hideUnified(const std::string& group, bool isEntered) {
  if (group.empty()) return;
  if (isEntered) writeSetting(group + "/cgroup.procs", "0");
  std::string mountPoint;
  // The group itself may be gone.
  for (std::string parent = group; !parent.empty(); parent = parent.substr(0, parent.rfind('/'))) {
    if (isUnified(parent)) mountPoint = parent;
  }
  if (mountPoint.empty()) failWith(group + " is in no hierarchy of version 2", EINVAL);
  check(mount("tmpfs", mountPoint.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k"), "hide", mountPoint);
  for (size_t slash = mountPoint.size(); slash != std::string::npos; slash = group.find('/', slash + 1)) {
    const std::string folder = group.substr(0, slash);
    if (mkdir(folder.c_str(), 0755) < 0 && errno != EEXIST) fail("create directory", folder);
  }
}

void leaveMounts() {
  check(unshare(CLONE_NEWNS), "unshare mounts");
  check(mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr), "make / a slave mount");
}

/** Standard streams of the runtime's program, which are those of the container's when it makes one; -1 is /dev/null. */
struct Streams {
  int input = -1;
  int output = -1;
  int errors = -1;
};

[[noreturn]] void execute(const OtherRuntimeSettings& runtime, const std::vector<std::string>& words, const Streams& streams) {
  const Fd null = openFile("/dev/null", O_RDWR);
  const int wanted[] = {streams.input, streams.output, streams.errors};
  for (int standard = 0; standard <= 2; standard++) check(dup2(wanted[standard] < 0 ? null.get() : wanted[standard], standard), "dup");
  std::vector<std::string> line = {runtime.path};
  line.insert(line.end(), runtime.args.begin(), runtime.args.end());
  line.insert(line.end(), {"--root", runtime.root, "--log", Bundle(runtime).logFile(), "--log-format", "json"});
  line.insert(line.end(), words.begin(), words.end());
  executeProgram(line, ENVIRONMENT);
}

/** Calls the runtime's program; throws with what it said when it fails. */
void call(const OtherRuntimeSettings& runtime, const std::vector<std::string>& words, const Streams& streams = {}, const std::function<void()>& prepare = nullptr) {
  const Bundle bundle(runtime);
  unlink(bundle.logFile().c_str());
  try {
    runApart((runtime.path + " " + words.front()).c_str(), prepare ? CREATE_MS : CALL_MS, [&] {
      leaveMounts();
      if (prepare) prepare();
      hideUnified(runtime.unifiedGroup, prepare != nullptr);
      execute(runtime, words, streams);
    });
  } catch (const Failure& failure) {
    const std::string reason = bundle.lastWords();
    throw Failure{reason.empty() ? failure.text : reason, failure.error};
  }
}

/** The process that the runtime left, which is the shim's to wait for since it takes up orphans. */
void adopt(Child& child, const Bundle& bundle) {
  child.process = bundle.readPid();
  child.processFd = Fd(check(static_cast<int>(syscall(SYS_pidfd_open, child.process, 0)), "open process", std::to_string(child.process)));
  siginfo_t info = {};
  check(waitid(P_PID, static_cast<id_t>(child.process), &info, WEXITED | WNOHANG | WNOWAIT), "become the parent of process", std::to_string(child.process));
}

Streams streamsOf(const ChildEnds& ends) {
  return {ends.input ? ends.input.get() : -1, ends.output ? ends.output.get() : -1, ends.errors ? ends.errors.get() : -1};
}

std::vector<std::string> withConsole(std::vector<std::string> words, const Bundle& bundle, const Fd& listener, const std::string& container) {
  if (listener) words.insert(words.end(), {"--console-socket", bundle.consoleSocket()});
  words.insert(words.end(), {"--pid-file", bundle.pidFile(), container});
  return words;
}

/** By the listener comes the terminal's other end, which the runtime has sent before it ended. */
Child takeOver(ChildStreams& streams, const Bundle& bundle, const Fd& listener) {
  streams.child = ChildEnds();
  Child child = std::move(streams.shim);
  if (listener) child.terminal = Fd(check(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC), "take", "the terminal"));
  adopt(child, bundle);
  return child;
}

/** A runtime can bind nothing that is in another mount namespace. */
void keepShared(const Settings& settings, const Bundle& bundle) {
  const SharedNamespaces shared(settings);
  for (const MountSettings& mount : settings.mounts) {
    if (!mount.isShared) continue;
    check(mkdir(bundle.sharedMemory().c_str(), 0700), "create directory", bundle.sharedMemory());
    attachMount(openSource(mount, shared), openFile(bundle.sharedMemory(), O_PATH | O_DIRECTORY), bundle.sharedMemory());
  }
}

/** In the mount namespace of the call; returns where it is. */
std::string makeRoot(const Settings& settings, const Bundle& bundle) {
  if (settings.maps.users.empty()) {
    mountRoot(settings);
    keepShared(settings, bundle);
    return settings.root;
  }
  prepareRoot(settings, settings.maps, makeUserNamespace(settings.maps));
  check(chdir("/"), "leave", settings.root);
  return preparedRoot(settings);
}

/** For a program that joins a container in a user namespace, in the mount namespace of the call: runc begins in the container's root as it knows it, where nothing is any more. */
void makePlaceOfRoot(const Settings& settings) {
  if (!mapsOf(settings.joinedProcess)) return;
  check(mount("tmpfs", settings.root.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k"), "mount a file system in memory at", settings.root);
  const std::string root = preparedRoot(settings);
  check(mkdir(root.c_str(), 0755), "create directory", root);
}

}  // namespace

Child launchBelow(const Settings& settings) {
  const OtherRuntimeSettings& runtime = settings.otherRuntime;
  const Bundle bundle(runtime);
  removeBelow(runtime);
  bundle.make();
  createCgroups(settings.cgroups);
  check(prctl(PR_SET_CHILD_SUBREAPER, 1), "take up orphans");
  ChildStreams streams = makeStreams(settings.terminal);
  const Fd listener = settings.terminal.isTerminal ? bundle.listenForConsole() : Fd();
  call(runtime, withConsole({"create", "--bundle", bundle.folder()}, bundle, listener, runtime.container), streamsOf(streams.child), [&] {
    bundle.write(bundle.configFile(), runtime.config, settings, makeRoot(settings, bundle));
  });
  Child child = takeOver(streams, bundle, listener);
  connectNetwork(settings.network, child.process);
  call(runtime, {"start", runtime.container});
  return child;
}

Child joinBelow(const Settings& settings) {
  const OtherRuntimeSettings& runtime = settings.otherRuntime;
  const Bundle bundle(runtime);
  const Fd joined = openJoined(settings);
  bundle.make();
  check(prctl(PR_SET_CHILD_SUBREAPER, 1), "take up orphans");
  ChildStreams streams = makeStreams(settings.terminal);
  const Fd listener = settings.terminal.isTerminal ? bundle.listenForConsole() : Fd();
  call(runtime, withConsole({"exec", "--detach", "--process", bundle.processFile()}, bundle, listener, runtime.container), streamsOf(streams.child), [&] {
    makePlaceOfRoot(settings);
    bundle.write(bundle.processFile(), runtime.config, settings, "/proc/" + std::to_string(settings.joinedProcess) + "/root");
  });
  return takeOver(streams, bundle, listener);
}

int killBelow(const OtherRuntimeSettings& runtime, int signal) {
  try {
    call(runtime, {"kill", runtime.container, std::to_string(signal)});
    return 0;
  } catch (const Failure&) {
    // What there is to say to who sends a signal: nobody was there to take it.
    return ESRCH;
  }
}

void removeBelow(const OtherRuntimeSettings& runtime) {
  const Bundle bundle(runtime);
  if (mkdir(bundle.folder().c_str(), 0700) < 0 && errno != EEXIST) fail("create bundle", bundle.folder());
  struct stat info = {};
  if (stat((runtime.root + "/" + runtime.container).c_str(), &info) == 0) call(runtime, {"delete", "--force", runtime.container});
  bundle.remove();
}
