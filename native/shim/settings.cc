#include "settings.h"

#include <sched.h>
#include <cstdlib>

#include "../base/error.h"

namespace {

uint64_t number(std::string_view text) {
  const std::string digits(text);
  char* end = nullptr;
  const uint64_t value = strtoull(digits.c_str(), &end, 10);
  if (digits.empty() || *end != '\0') failWith("\"" + digits + "\" is not a number in the request", EINVAL);
  return value;
}

std::pair<std::string, std::string> split(std::string_view text) {
  const size_t at = text.find('=');
  if (at == std::string_view::npos) failWith("\"" + std::string(text) + "\" has no value in the request", EINVAL);
  return {std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
}

template <typename T>
T& last(std::vector<T>& list, std::string_view key) {
  if (list.empty()) failWith("key " + std::string(key) + " without its entry in the request", EINVAL);
  return list.back();
}

using Setter = void (*)(Settings&, std::string_view);
struct Field {
  std::string_view key;
  Setter set;
};

uint64_t namespaceCalled(std::string_view name) {
  if (name == "pid") return CLONE_NEWPID;
  if (name == "ipc") return CLONE_NEWIPC;
  if (name == "uts") return CLONE_NEWUTS;
  if (name == "cgroup") return CLONE_NEWCGROUP;
  if (name == "net") return CLONE_NEWNET;
  failWith("no namespace is called \"" + std::string(name) + "\"", EINVAL);
}

// clang-format off
constexpr Field FIELDS[] = {
    {"id", [](Settings& s, std::string_view v) { s.id = v; }},
    {"socket", [](Settings& s, std::string_view v) { s.socketPath = v; }},
    {"folder", [](Settings& s, std::string_view v) { s.folder = v; }},
    {"log.path", [](Settings& s, std::string_view v) { s.log.path = v; }},
    {"log.size", [](Settings& s, std::string_view v) { s.log.sizeMax = number(v); }},
    {"log.files", [](Settings& s, std::string_view v) { s.log.filesMax = static_cast<unsigned>(number(v)); }},
    {"log.local", [](Settings& s, std::string_view v) { s.log.isLocal = number(v) != 0; }},
    {"log.attributes", [](Settings& s, std::string_view v) { s.log.attributes = v; }},
    {"log.compressor", [](Settings& s, std::string_view v) { s.log.compressor = v; }},
    {"arg", [](Settings& s, std::string_view v) { s.args.emplace_back(v); }},
    {"env", [](Settings& s, std::string_view v) { s.env.emplace_back(v); }},
    {"cwd", [](Settings& s, std::string_view v) { s.workingDir = v; }},
    {"user", [](Settings& s, std::string_view v) { s.user = v; }},
    {"group", [](Settings& s, std::string_view v) { s.groups.emplace_back(v); }},
    {"hostname", [](Settings& s, std::string_view v) { s.hostname = v; }},
    {"root", [](Settings& s, std::string_view v) { s.root = v; }},
    {"upper", [](Settings& s, std::string_view v) { s.upper = v; }},
    {"work", [](Settings& s, std::string_view v) { s.work = v; }},
    {"layer", [](Settings& s, std::string_view v) { s.layers.emplace_back(v); }},
    {"root.readonly", [](Settings& s, std::string_view v) { s.isRootReadOnly = number(v) != 0; }},
    {"mount", [](Settings& s, std::string_view v) { s.mounts.emplace_back().type = v; }},
    {"mount.source", [](Settings& s, std::string_view v) { last(s.mounts, "mount.source").source = v; }},
    {"mount.target", [](Settings& s, std::string_view v) { last(s.mounts, "mount.target").target = v; }},
    {"mount.readonly", [](Settings& s, std::string_view v) { last(s.mounts, "mount.readonly").isReadOnly = number(v) != 0; }},
    {"mount.propagation", [](Settings& s, std::string_view v) { last(s.mounts, "mount.propagation").propagation = v; }},
    {"mount.subpath", [](Settings& s, std::string_view v) { last(s.mounts, "mount.subpath").subpath = v; }},
    {"mount.shallow", [](Settings& s, std::string_view v) { last(s.mounts, "mount.shallow").isShallow = number(v) != 0; }},
    {"mount.readonly.shallow", [](Settings& s, std::string_view v) { last(s.mounts, "mount.readonly.shallow").isReadOnlyShallow = number(v) != 0; }},
    {"mount.own", [](Settings& s, std::string_view v) { last(s.mounts, "mount.own").isOwn = number(v) != 0; }},
    {"mount.shared", [](Settings& s, std::string_view v) { last(s.mounts, "mount.shared").isShared = number(v) != 0; }},
    {"mount.flags", [](Settings& s, std::string_view v) { last(s.mounts, "mount.flags").flags = number(v); }},
    {"mount.data", [](Settings& s, std::string_view v) { last(s.mounts, "mount.data").data = v; }},
    {"host.namespace", [](Settings& s, std::string_view v) { s.namespacesOfHost |= namespaceCalled(v); }},
    {"share", [](Settings& s, std::string_view v) { s.shared.emplace_back().kind = namespaceCalled(v); }},
    {"share.process", [](Settings& s, std::string_view v) { last(s.shared, "share.process").process = static_cast<pid_t>(number(v)); }},
    {"share.group", [](Settings& s, std::string_view v) { last(s.shared, "share.group").group = v; }},
    {"map.users", [](Settings& s, std::string_view v) { s.maps.users = v; }},
    {"map.groups", [](Settings& s, std::string_view v) { s.maps.groups = v; }},
    {"mask", [](Settings& s, std::string_view v) { s.maskedPaths.emplace_back(v); }},
    {"readonly", [](Settings& s, std::string_view v) { s.readOnlyPaths.emplace_back(v); }},
    {"cgroup", [](Settings& s, std::string_view v) { s.cgroups.emplace_back().path = v; }},
    {"cgroup.unified", [](Settings& s, std::string_view v) { last(s.cgroups, "cgroup.unified").isUnified = number(v) != 0; }},
    {"cgroup.set", [](Settings& s, std::string_view v) { last(s.cgroups, "cgroup.set").limits.push_back(split(v)); }},
    {"cgroup.device", [](Settings& s, std::string_view v) { last(s.cgroups, "cgroup.device").deviceRules.emplace_back(v); }},
    {"oom.file", [](Settings& s, std::string_view v) { s.outOfMemoryFile = v; }},
    {"cgroup.visible", [](Settings& s, std::string_view v) { s.visibleCgroups.push_back(split(v)); }},
    {"sysctl", [](Settings& s, std::string_view v) { s.sysctls.push_back(split(v)); }},
    {"rlimit", [](Settings& s, std::string_view v) { s.rlimits.push_back({static_cast<int>(number(v)), 0, 0}); }},
    {"rlimit.soft", [](Settings& s, std::string_view v) { last(s.rlimits, "rlimit.soft").soft = number(v); }},
    {"rlimit.hard", [](Settings& s, std::string_view v) { last(s.rlimits, "rlimit.hard").hard = number(v); }},
    {"oom.score", [](Settings& s, std::string_view v) { s.oomScoreAdj = v; }},
    {"capabilities", [](Settings& s, std::string_view v) { s.capabilities = number(v); }},
    {"no-new-privileges", [](Settings& s, std::string_view v) { s.noNewPrivileges = number(v) != 0; }},
    {"domainname", [](Settings& s, std::string_view v) { s.domainname = v; }},
    {"tty", [](Settings& s, std::string_view v) { s.terminal.isTerminal = number(v) != 0; }},
    {"tty.rows", [](Settings& s, std::string_view v) { s.terminal.rows = static_cast<unsigned short>(number(v)); }},
    {"tty.columns", [](Settings& s, std::string_view v) { s.terminal.columns = static_cast<unsigned short>(number(v)); }},
    {"stdin", [](Settings& s, std::string_view v) { s.terminal.hasInput = number(v) != 0; }},
    {"stdin.once", [](Settings& s, std::string_view v) { s.terminal.isInputOnce = number(v) != 0; }},
    {"seccomp", [](Settings& s, std::string_view v) { s.seccompFilter = v; }},
    {"seccomp.flags", [](Settings& s, std::string_view v) { s.seccompFlags = static_cast<unsigned>(number(v)); }},
    {"device", [](Settings& s, std::string_view v) { s.devices.push_back({std::string(v), false, 0, 0, 0}); }},
    {"device.block", [](Settings& s, std::string_view v) { last(s.devices, "device.block").isBlock = number(v) != 0; }},
    {"device.major", [](Settings& s, std::string_view v) { last(s.devices, "device.major").major = static_cast<unsigned>(number(v)); }},
    {"device.minor", [](Settings& s, std::string_view v) { last(s.devices, "device.minor").minor = static_cast<unsigned>(number(v)); }},
    {"device.mode", [](Settings& s, std::string_view v) { last(s.devices, "device.mode").mode = static_cast<unsigned>(number(v)); }},
    {"shm.size", [](Settings& s, std::string_view v) { s.sharedMemorySize = number(v); }},
    {"sys.writable", [](Settings& s, std::string_view v) { s.isSystemWritable = number(v) != 0; }},
    {"attachers", [](Settings& s, std::string_view v) { s.attachersExpected = static_cast<unsigned>(number(v)); }},
    {"join.process", [](Settings& s, std::string_view v) { s.joinedProcess = static_cast<pid_t>(number(v)); }},
    {"join.group", [](Settings& s, std::string_view v) { s.joinedGroup = v; }},
    {"runtime", [](Settings& s, std::string_view v) { s.otherRuntime.path = v; }},
    {"runtime.arg", [](Settings& s, std::string_view v) { s.otherRuntime.args.emplace_back(v); }},
    {"runtime.root", [](Settings& s, std::string_view v) { s.otherRuntime.root = v; }},
    {"runtime.bundle", [](Settings& s, std::string_view v) { s.otherRuntime.bundle = v; }},
    {"runtime.container", [](Settings& s, std::string_view v) { s.otherRuntime.container = v; }},
    {"runtime.config", [](Settings& s, std::string_view v) { s.otherRuntime.config = v; }},
    {"runtime.unified-group", [](Settings& s, std::string_view v) { s.otherRuntime.unifiedGroup = v; }},
    {"net", [](Settings& s, std::string_view v) { s.network.mode = v; }},
    {"net.bridge", [](Settings& s, std::string_view v) { s.network.bridge = v; }},
    {"net.host-interface", [](Settings& s, std::string_view v) { s.network.hostInterface = v; }},
    {"net.mac", [](Settings& s, std::string_view v) { s.network.mac = v; }},
    {"net.address", [](Settings& s, std::string_view v) { s.network.address = v; }},
    {"net.gateway", [](Settings& s, std::string_view v) { s.network.gateway = v; }},
    {"net.mtu", [](Settings& s, std::string_view v) { s.network.mtu = static_cast<unsigned>(number(v)); }},
};
// clang-format on

Setter setterOf(std::string_view key) {
  for (const Field& field : FIELDS) {
    if (field.key == key) return field.set;
  }
  failWith("unknown key \"" + std::string(key) + "\" in the request: daemon and shim are of different versions", EINVAL);
}

}  // namespace

Settings parseRecords(std::string_view request) {
  Settings settings;
  while (!request.empty()) {
    const size_t end = request.find('\0');
    if (end == std::string_view::npos) failWith("the request's last record has no end", EINVAL);
    const std::string_view record = request.substr(0, end);
    const size_t at = record.find('=');
    if (at == std::string_view::npos) failWith("a record without a value in the request", EINVAL);
    setterOf(record.substr(0, at))(settings, record.substr(at + 1));
    request.remove_prefix(end + 1);
  }
  return settings;
}

Settings parseSettings(std::string_view request) {
  Settings settings = parseRecords(request);
  if (settings.id.empty() || settings.socketPath.empty() || settings.args.empty()) failWith("the request lacks id, socket or arg", EINVAL);
  const bool isContainer = !settings.folder.empty() && !settings.root.empty() && !settings.layers.empty();
  if (settings.joinedProcess == 0 ? !isContainer : settings.joinedGroup.empty()) {
    failWith("the request lacks folder, root or layer of a container, or join.group of a program that joins one", EINVAL);
  }
  return settings;
}
