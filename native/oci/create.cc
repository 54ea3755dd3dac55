#include "create.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "../base/error.h"
#include "../base/file.h"
#include "../shim/cgroups.h"
#include "../shim/child.h"
#include "../shim/clone-apart.h"
#include "hooks.h"
#include "init.h"
#include "names.h"
#include "seccomp-policy.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace {

/** What exists of a container that is being created, removed again unless it comes to be one. */
class Attempt {
 public:
  explicit Attempt(const ContainerStore& store) : store_(store) { store.make(); }
  ~Attempt() {
    if (isDone_) return;
    if (process_ > 0) {
      kill(process_, SIGKILL);
      retry([&] { return waitpid(process_, nullptr, 0); });
    }
    std::vector<std::string> paths;
    for (const CgroupSettings& group : cgroups_) paths.push_back(group.path);
    removeWithParents(paths);
    store_.remove();
  }
  void owns(const std::vector<CgroupSettings>& cgroups) { cgroups_ = cgroups; }
  void owns(pid_t process) { process_ = process; }
  void keep() { isDone_ = true; }

 private:
  const ContainerStore& store_;
  std::vector<CgroupSettings> cgroups_;
  pid_t process_ = 0;
  bool isDone_ = false;
};

std::vector<Fd> openNamespaces(const Spec& spec) {
  std::vector<Fd> open;
  for (const NamespaceSettings& space : spec.namespaces) open.push_back(space.path.empty() ? Fd() : openFile(space.path, O_RDONLY));
  return open;
}

/** The user namespace last: there the others could not be joined. */
void joinNamespaces(const Spec& spec, const std::vector<Fd>& open) {
  for (const bool isUsers : {false, true}) {
    for (size_t index = 0; index < open.size(); index++) {
      const NamespaceSettings& space = spec.namespaces[index];
      if (!open[index] || (space.flag == CLONE_NEWUSER) != isUsers) continue;
      check(setns(open[index].get(), static_cast<int>(space.flag)), "join namespace", space.path);
    }
  }
}

/** Clocks can only be set before anyone is in the namespace. */
void unshareTime(const Spec& spec) {
  if (!spec.hasOwn(CLONE_NEWTIME)) return;
  check(unshare(CLONE_NEWTIME), "unshare time namespace");
  if (!spec.timeOffsets.empty()) writeSetting("/proc/self/timens_offsets", spec.timeOffsets);
}

unsigned long newFlags(const Spec& spec) {
  unsigned long flags = 0;
  for (const NamespaceSettings& space : spec.namespaces) {
    if (space.path.empty() && space.flag != CLONE_NEWTIME) flags |= space.flag;
  }
  return flags;
}

void writeMap(pid_t process, const char* file, const std::vector<IdRange>& ranges) {
  std::string text;
  for (const IdRange& range : ranges) text += std::to_string(range.inside) + " " + std::to_string(range.outside) + " " + std::to_string(range.count) + "\n";
  if (!text.empty()) writeSetting("/proc/" + std::to_string(process) + "/" + file, text);
}

Json describe(const Spec& spec, const CgroupPlan& cgroups, const std::string& bundle, pid_t process) {
  Json container = Json::object();
  container.at("ociVersion") = Json::text(spec.version);
  container.at("bundle") = Json::text(bundle);
  container.at("pid") = Json::number(process);
  container.at("startTime") = Json::text(startTimeOf(process));
  container.at("annotations") = spec.annotations;
  container.at("hooks") = spec.hooks;
  container.at("seccompListener").at("path") = Json::text(spec.listener.path);
  container.at("seccompListener").at("metadata") = Json::text(spec.listener.metadata);
  container.at("cgroups") = Json::array();
  for (const CgroupSettings& group : cgroups.groups) {
    Json entry = Json::object();
    entry.at("path") = Json::text(group.path);
    entry.at("isUnified") = Json::boolean(group.isUnified);
    container.at("cgroups").append(std::move(entry));
  }
  return container;
}

struct Pipes {
  Pipe go = makePipe();
  Pipe report = makePipe();
};

pid_t makeFirstProcess(const Spec& spec, const CgroupPlan& cgroups, const SeccompFilter& filter, Pipes& pipes, Fd& start, Fd& console) {
  const std::vector<Fd> open = openNamespaces(spec);
  const auto prepare = [&] {
    enterCgroups(cgroups.groups);
    setLimits(spec.process.settings);
    unshareTime(spec);
    joinNamespaces(spec, open);
  };
  return cloneApart(newFlags(spec), openUnifiedCgroup(cgroups.groups), pipes.report.write, prepare, [&] {
    pipes.go.write.reset();
    runInit(spec, cgroups, filter, {std::move(pipes.go.read), std::move(pipes.report.write), std::move(start), std::move(console)});
  });
}

/** Throws what the first process says instead of `+`. */
void awaitReport(Pipes& pipes) {
  pipes.go.write.reset();
  pipes.report.write.reset();
  const std::string report = readToEnd(pipes.report.read);
  if (report == "+") return;
  failWith(report.empty() ? "the container's first process ended unexpectedly" : report);
}

}  // namespace

Fd connectToConsole(const std::string& path, bool isTerminal) {
  if (path.empty() != !isTerminal) failWith(isTerminal ? "process.terminal needs --console-socket" : "--console-socket needs process.terminal", EINVAL);
  if (!isTerminal) return Fd();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) failWith("socket path " + path + " is longer than the kernel takes", ENAMETOOLONG);
  memcpy(address.sun_path, path.c_str(), path.size());
  Fd console(check(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  check(connect(console.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), "connect to", path);
  return console;
}

void writePidFile(const std::string& path, pid_t process) {
  if (path.empty()) return;
  {
    const Fd file = openFile(path + ".new", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    writeAll(file.get(), std::to_string(process), path);
  }
  check(rename((path + ".new").c_str(), path.c_str()), "rename", path);
}

void createContainer(const ContainerStore& store, const CreateOptions& options) {
  const std::string config = readConfig(options.bundle);
  const Spec spec = parseSpec(config, options.bundle);
  Attempt attempt(store);
  store.writeConfig(config);
  CgroupPlan cgroups = planCgroups(store.id(), spec.cgroupsPath, spec.resources);
  requireUnused(cgroups);
  attempt.owns(cgroups.groups);
  makeCgroups(cgroups);
  const SeccompFilter filter = compileSeccomp(spec.seccomp, options.programs);
  Fd console = connectToConsole(options.consoleSocket, spec.process.settings.terminal.isTerminal);
  Fd start = store.listenForStart();
  Pipes pipes;
  const pid_t process = makeFirstProcess(spec, cgroups, filter, pipes, start, console);
  attempt.owns(process);
  if (process == 0) awaitReport(pipes);
  writeMap(process, "uid_map", spec.uidMap);
  writeMap(process, "gid_map", spec.gidMap);
  const Json container = describe(spec, cgroups, options.bundle, process);
  store.write(container);
  Json state = store.stateOf(container);
  state.at("status") = Json::text("creating");
  runHooks(spec.hooks, "prestart", state.write());
  runHooks(spec.hooks, "createRuntime", state.write());
  writeAll(pipes.go.write.get(), state.write(), "the container's first process");
  awaitReport(pipes);
  writePidFile(options.pidFile, process);
  attempt.keep();
}
