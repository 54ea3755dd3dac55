#include "spec.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/stat.h>

#include <algorithm>

#include "../base/error.h"
#include "../base/file.h"
#include "fields.h"
#include "names.h"

namespace {

constexpr size_t CONFIG_SIZE_MAX = 16U << 20;
/** As the kernel counts devices. */
constexpr int64_t MAJOR_MAX = (1 << 12) - 1;
constexpr int64_t MINOR_MAX = (1 << 20) - 1;
constexpr unsigned MODE_MAX = 07777;
/** Some write the kind of the file with its mode. */
constexpr int64_t FILE_MODE_MAX = S_IFMT | MODE_MAX;
/** The highest number means "no change" to the kernel. */
constexpr int64_t ID_MAX = UINT32_MAX - 1LL;

uint64_t capabilitySet(const Json& capabilities, const char* name, const std::string& where) {
  uint64_t set = 0;
  for (const std::string& capability : textsOf(capabilities, name, where)) {
    const int number = capabilityNumber(capability);
    if (number < 0) failWith(where + "." + name + " has an unknown capability \"" + capability + "\"", EINVAL);
    set |= 1ULL << number;
  }
  return set;
}

CapabilitySets parseCapabilities(const Json& json, const std::string& where) {
  CapabilitySets sets;
  sets.bounding = capabilitySet(json, "bounding", where);
  sets.effective = capabilitySet(json, "effective", where);
  sets.permitted = capabilitySet(json, "permitted", where);
  sets.inheritable = capabilitySet(json, "inheritable", where);
  // The kernel has none ambient that is not both of these.
  sets.ambient = capabilitySet(json, "ambient", where) & sets.permitted & sets.inheritable;
  return sets;
}

Identity parseUser(const Json& user, const std::string& where) {
  const auto named = [&](const char* name) { return user[name].isNull() ? 0 : idOf(user[name].literal(), where + "." + name); };
  Identity identity = {named("uid"), named("gid"), {}, ""};
  for (const Json& group : itemsOf(user, "additionalGids", where)) identity.groups.push_back(idOf(group.literal(), where + ".additionalGids"));
  return identity;
}

void parseRlimits(std::vector<RlimitSettings>& limits, const Json& process, const std::string& where) {
  for (const Json& limit : itemsOf(process, "rlimits", where)) {
    const std::string type = textOf(limit, "type", where + ".rlimits");
    const int number = rlimitNumber(type);
    if (number < 0) failWith(where + ".rlimits has an unknown type \"" + type + "\"", EINVAL);
    limits.push_back({number, limitOf(limit, "soft", where + ".rlimits"), limitOf(limit, "hard", where + ".rlimits")});
  }
}

std::vector<IdRange> parseRanges(const Json& linux_, const char* name) {
  std::vector<IdRange> ranges;
  for (const Json& range : itemsOf(linux_, name, "linux")) {
    const auto part = [&](const char* key) { return static_cast<uint32_t>(numberUpTo(range, key, std::string("linux.") + name, 0, UINT32_MAX)); };
    ranges.push_back({part("containerID"), part("hostID"), part("size")});
  }
  return ranges;
}

void parseNamespaces(Spec& spec, const Json& linux_) {
  for (const Json& item : itemsOf(linux_, "namespaces", "linux")) {
    const std::string type = textOf(item, "type", "linux.namespaces");
    const unsigned long flag = namespaceFlag(type);
    if (flag == 0) failWith("linux.namespaces has an unknown type \"" + type + "\"", EINVAL);
    if (spec.has(flag)) failWith("linux.namespaces has type \"" + type + "\" twice", EINVAL);
    spec.namespaces.push_back({flag, textOf(item, "path", "linux.namespaces")});
  }
  if (!spec.hasOwn(CLONE_NEWNS)) failWith("linux.namespaces has no mount namespace of the container's own, without which its mounts would be the host's", EINVAL);
  // Who joins one has its maps; runc wants to be told them again.
  if (spec.has(CLONE_NEWUSER) && !spec.hasOwn(CLONE_NEWUSER)) {
    spec.uidMap.clear();
    spec.gidMap.clear();
  }
  if (spec.hasOwn(CLONE_NEWUSER) != !spec.uidMap.empty() || spec.uidMap.empty() != spec.gidMap.empty()) {
    failWith("linux.uidMappings, linux.gidMappings and a user namespace of the container's own belong together", EINVAL);
  }
}

void parseDevices(Spec& spec, const Json& linux_) {
  for (const Json& item : itemsOf(linux_, "devices", "linux")) {
    const std::string path = textOf(item, "path", "linux.devices");
    const std::string type = textOf(item, "type", "linux.devices");
    if (path.compare(0, 5, "/dev/") != 0 || path.find("..") != std::string::npos) failWith("linux.devices has the path \"" + path + "\", which is not below /dev", EINVAL);
    if (type != "c" && type != "u" && type != "b") failWith("linux.devices has the type \"" + type + "\" for " + path + ", which is not c, u or b", EINVAL);
    const auto part = [&](const char* key, int64_t missing, int64_t most) { return static_cast<unsigned>(numberUpTo(item, key, "linux.devices", missing, most)); };
    spec.process.settings.devices.push_back({path.substr(5), type == "b", part("major", 0, MAJOR_MAX), part("minor", 0, MINOR_MAX), part("fileMode", 0666, FILE_MODE_MAX) & MODE_MAX,
                                             part("uid", 0, ID_MAX), part("gid", 0, ID_MAX)});
  }
}

/** Lines for timens_offsets (time_namespaces(7)). */
std::string parseTimeOffsets(const Json& linux_) {
  std::string lines;
  for (const auto& [clock, offset] : linux_["timeOffsets"].members()) {
    lines += clock + " " + std::to_string(numberOf(offset, "secs", "linux.timeOffsets", 0)) + " " + std::to_string(numberOf(offset, "nanosecs", "linux.timeOffsets", 0)) + "\n";
  }
  return lines;
}

void refuseUnsupported(const Json& config, const Json& linux_) {
  const auto refuse = [](const std::string& what) { failWith(what + " is not supported", ENOSYS); };
  if (!linux_["intelRdt"].isNull()) {
    struct stat info = {};
    if (stat("/sys/fs/resctrl/schemata", &info) < 0) failWith("linux.intelRdt is asked for, but this machine has no resctrl: Intel RDT is not supported or not enabled", ENOSYS);
    refuse("linux.intelRdt");
  }
  for (const char* name : {"netDevices", "memoryPolicy"}) {
    if (!linux_[name].isNull()) refuse(std::string("linux.") + name);
  }
  for (const Json& mount : itemsOf(config, "mounts", "config")) {
    if (!mount["uidMappings"].isNull() || !mount["gidMappings"].isNull()) refuse("mounts.uidMappings, for " + textOf(mount, "destination", "mounts") + ",");
  }
}

/** Of personality(2): programs see a machine of 32 bits. */
unsigned long parsePersonality(const Json& json) {
  if (json.isNull()) return 0;
  const std::string domain = textOf(json, "domain", "linux.personality");
  if (!itemsOf(json, "flags", "linux.personality").empty()) failWith("linux.personality.flags is not supported", ENOSYS);
  if (domain != "LINUX" && domain != "LINUX32") failWith("linux.personality.domain \"" + domain + "\" is not one of LINUX and LINUX32", EINVAL);
  return domain == "LINUX32" ? static_cast<unsigned long>(PER_LINUX32) : static_cast<unsigned long>(PER_LINUX);
}

std::string parseMountLabel(const Json& linux_) {
  const std::string label = textOf(linux_, "mountLabel", "linux");
  if (!label.empty() && !hasSelinux()) failWith("linux.mountLabel \"" + label + "\" cannot be applied: this machine's kernel runs without SELinux", ENOSYS);
  return label;
}

void parseLinux(Spec& spec, const Json& linux_) {
  Settings& settings = spec.process.settings;
  spec.uidMap = parseRanges(linux_, "uidMappings");
  spec.gidMap = parseRanges(linux_, "gidMappings");
  parseNamespaces(spec, linux_);
  parseDevices(spec, linux_);
  settings.maskedPaths = textsOf(linux_, "maskedPaths", "linux");
  settings.readOnlyPaths = textsOf(linux_, "readonlyPaths", "linux");
  for (const auto& [name, value] : linux_["sysctl"].members()) settings.sysctls.emplace_back(name, value.literal());
  spec.timeOffsets = parseTimeOffsets(linux_);
  spec.rootPropagation = textOf(linux_, "rootfsPropagation", "linux");
  if (!spec.rootPropagation.empty() && propagationFlag(spec.rootPropagation) == 0) failWith("linux.rootfsPropagation \"" + spec.rootPropagation + "\" is no propagation", EINVAL);
  spec.cgroupsPath = textOf(linux_, "cgroupsPath", "linux");
  spec.resources = linux_["resources"];
  spec.seccomp = linux_["seccomp"];
  spec.listener = parseListener(spec.seccomp);
  spec.mountLabel = parseMountLabel(linux_);
  spec.process.personality = parsePersonality(linux_["personality"]);
}

std::vector<OciMount> parseMounts(const Json& config, const std::string& bundle) {
  std::vector<OciMount> mounts;
  for (const Json& item : itemsOf(config, "mounts", "config")) {
    OciMount mount;
    mount.destination = textOf(item, "destination", "mounts");
    mount.type = textOf(item, "type", "mounts");
    mount.source = textOf(item, "source", "mounts");
    if (mount.destination.empty() || mount.destination[0] != '/') failWith("mounts has the destination \"" + mount.destination + "\", which is not absolute", EINVAL);
    takeOptions(mount, textsOf(item, "options", "mounts"));
    if (mount.isBind && !mount.source.empty() && mount.source[0] != '/') mount.source = bundle + "/" + mount.source;
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

}  // namespace

bool Spec::has(unsigned long flag) const {
  return std::any_of(namespaces.begin(), namespaces.end(), [flag](const NamespaceSettings& space) { return space.flag == flag; });
}

bool Spec::hasOwn(unsigned long flag) const {
  return std::any_of(namespaces.begin(), namespaces.end(), [flag](const NamespaceSettings& space) { return space.flag == flag && space.path.empty(); });
}

ProcessSettings parseProcess(const Json& process, const std::string& where) {
  ProcessSettings parsed;
  Settings& settings = parsed.settings;
  settings.args = textsOf(process, "args", where);
  if (settings.args.empty()) failWith(where + ".args is missing or empty", EINVAL);
  settings.env = textsOf(process, "env", where);
  settings.workingDir = textOf(process, "cwd", where);
  if (settings.workingDir.empty() || settings.workingDir[0] != '/') failWith(where + ".cwd \"" + settings.workingDir + "\" is not an absolute path", EINVAL);
  settings.noNewPrivileges = flagOf(process, "noNewPrivileges", where);
  if (!process["oomScoreAdj"].isNull()) settings.oomScoreAdj = std::to_string(numberOf(process, "oomScoreAdj", where, 0));
  else settings.oomScoreAdj.clear();
  settings.terminal.isTerminal = flagOf(process, "terminal", where);
  settings.terminal.rows = static_cast<unsigned short>(numberUpTo(process["consoleSize"], "height", where + ".consoleSize", 0, UINT16_MAX));
  settings.terminal.columns = static_cast<unsigned short>(numberUpTo(process["consoleSize"], "width", where + ".consoleSize", 0, UINT16_MAX));
  parseRlimits(settings.rlimits, process, where);
  parsed.identity = parseUser(process["user"], where + ".user");
  if (!process["user"]["umask"].isNull()) parsed.umask = static_cast<int>(numberUpTo(process["user"], "umask", where + ".user", 0, MODE_MAX));
  parsed.capabilities = parseCapabilities(process["capabilities"], where + ".capabilities");
  parsed.attributes = parseAttributes(process, where);
  return parsed;
}

std::string readConfig(const std::string& bundle) {
  const std::string path = bundle + "/config.json";
  auto text = readRegularFile(path, CONFIG_SIZE_MAX);
  if (!text) failWith(path + " cannot be read", ENOENT);
  return std::move(*text);
}

Spec parseSpec(const std::string& text, const std::string& bundle) {
  const Json config = Json::parse(text, bundle + "/config.json");
  Spec spec;
  spec.version = textOf(config, "ociVersion", "config");
  if (spec.version.compare(0, 2, "1.") != 0) failWith("ociVersion \"" + spec.version + "\" is not one of 1.x", EINVAL);
  refuseUnsupported(config, config["linux"]);
  spec.process = parseProcess(config["process"], "process");
  Settings& settings = spec.process.settings;
  settings.hostname = textOf(config, "hostname", "config");
  settings.domainname = textOf(config, "domainname", "config");
  const std::string root = textOf(config["root"], "path", "root");
  if (root.empty()) failWith("root.path is missing", EINVAL);
  spec.root = root[0] == '/' ? root : bundle + "/" + root;
  settings.isRootReadOnly = flagOf(config["root"], "readonly", "root");
  spec.mounts = parseMounts(config, bundle);
  parseLinux(spec, config["linux"]);
  spec.hooks = config["hooks"];
  spec.annotations = config["annotations"];
  return spec;
}
