#include "life.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

#include "../base/cgroup-folder.h"
#include "../base/error.h"
#include "../base/file.h"
#include "../shim/child.h"
#include "../shim/cgroups.h"
#include "cgroup-plan.h"
#include "create.h"
#include "hooks.h"
#include "mount-options.h"
#include "names.h"
#include "process-attributes.h"
#include "seccomp-listener.h"

namespace {

/** How long a process that was killed may take to be gone: it may have memory to give back. */
constexpr int KILL_MS = 10000;

std::vector<std::string> groupsOf(const Json& container) {
  std::vector<std::string> paths;
  for (const Json& group : container["cgroups"].items()) paths.push_back(group["path"].literal());
  return paths;
}

void signalAll(const Json& container, int number) {
  for (const std::string& path : groupsOf(container)) signalMembers(path, number);
}

void awaitEnd(const Fd& process) {
  pollfd end = {process.get(), POLLIN, 0};
  if (retry([&] { return poll(&end, 1, KILL_MS); }) == 0) failWith("the container's first process does not end after SIGKILL", ETIMEDOUT);
}

Json listOf(const std::vector<std::string>& names) {
  Json list = Json::array();
  for (const std::string& name : names) list.append(Json::text(name));
  return list;
}

}  // namespace

Warnings startContainer(const ContainerStore& store) {
  const Json container = store.read();
  const std::string status = store.statusOf(container);
  if (status != "created") failWith("container " + store.id() + " cannot be started: it is " + status, EINVAL);
  const ListenerDelivery delivery({container["seccompListener"]["path"].literal(), container["seccompListener"]["metadata"].literal()});
  const Json state = store.stateOf(container);
  const auto process = static_cast<pid_t>(strtol(container["pid"].literal().c_str(), nullptr, 10));
  const Fd starter = store.connectToStart();
  store.forgetStart();
  const std::string reason = awaitExecution(starter, [&](int number) { delivery.deliver(process, number, state); });
  if (!reason.empty()) failWith(reason);
  return runAllHooks(container["hooks"], "poststart", store.stateOf(container).write());
}

void killContainer(const ContainerStore& store, const std::string& signal, bool isAll) {
  const int number = signalNumber(signal);
  if (number == 0) failWith("\"" + signal + "\" is not a signal", EINVAL);
  const Json container = store.read();
  const Fd process = store.openProcess(container);
  if (isAll) return signalAll(container, number);
  if (!process) failWith("container " + store.id() + " is not running", ESRCH);
  check(static_cast<int>(syscall(SYS_pidfd_send_signal, process.get(), number, nullptr, 0)), "signal", "the container's first process");
}

Warnings deleteContainer(const ContainerStore& store, bool isForced) {
  if (isForced && !store.exists()) return {};
  const Json container = store.read();
  const Fd process = store.openProcess(container);
  if (process) {
    if (!isForced) failWith("container " + store.id() + " cannot be deleted: it is " + store.statusOf(container), EBUSY);
    check(static_cast<int>(syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0)), "signal", "the container's first process");
    awaitEnd(process);
  }
  // Without a process namespace of its own, others may have outlived the first.
  signalAll(container, SIGKILL);
  removeWithParents(groupsOf(container));
  const std::string state = store.stateOf(container).write();
  store.remove();
  return runAllHooks(container["hooks"], "poststop", state);
}

Json describeFeatures() {
  Json features = Json::object();
  features.at("ociVersionMin") = Json::text("1.0.0");
  features.at("ociVersionMax") = Json::text("1.1.0");
  features.at("hooks") = listOf({"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"});
  features.at("mountOptions") = listOf(knownMountOptions());
  Json& linux_ = features.at("linux");
  linux_.at("namespaces") = listOf(namespaceNames());
  linux_.at("capabilities") = listOf(capabilityNames());
  Json& cgroup = linux_.at("cgroup");
  cgroup.at("v1") = Json::boolean(true);
  cgroup.at("v2") = Json::boolean(true);
  cgroup.at("systemd") = Json::boolean(false);
  cgroup.at("systemdUser") = Json::boolean(false);
  cgroup.at("rdma") = Json::boolean(true);
  Json& seccomp = linux_.at("seccomp");
  seccomp.at("enabled") = Json::boolean(true);
  seccomp.at("actions") = listOf({"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP"});
  seccomp.at("operators") = listOf({"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"});
  for (const char* name : {"knownFlags", "supportedFlags"}) {
    seccomp.at(name) = listOf({"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"});
  }
  // Compiled in; whether the kernel runs with it is another question.
  linux_.at("apparmor").at("enabled") = Json::boolean(true);
  linux_.at("selinux").at("enabled") = Json::boolean(true);
  linux_.at("intelRdt").at("enabled") = Json::boolean(false);
  linux_.at("mountExtensions").at("idmap").at("enabled") = Json::boolean(false);
  return features;
}
