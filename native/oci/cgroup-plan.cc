#include "cgroup-plan.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "../base/error.h"
#include "../base/file.h"
#include "../shim/cgroups.h"
#include "fields.h"

namespace {

/** Those in which every container has a group of its own; others when they have something to limit. */
const char* const ALWAYS[] = {"memory", "cpu", "cpuacct", "pids", "devices", "freezer"};

struct Hierarchies {
  /** Mount point by controller of version 1. */
  std::map<std::string, std::string> legacy;
  std::string unified;
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

/** Something else may have been mounted over it. */
bool isVisible(const std::string& mountPoint, long type) {
  struct statfs info = {};
  return statfs(mountPoint.c_str(), &info) == 0 && info.f_type == type;
}

Hierarchies readHierarchies() {
  Hierarchies found;
  const std::string mountinfo = readRegularFile("/proc/self/mountinfo", 4U << 20).value_or("");
  for (const std::string& line : split(mountinfo, '\n')) {
    const size_t dash = line.find(" - ");
    const auto before = split(line.substr(0, dash), ' ');
    const auto after = dash == std::string::npos ? std::vector<std::string>() : split(line.substr(dash + 3), ' ');
    if (before.size() < 5 || after.size() < 3) continue;
    if (after[0] == "cgroup2" && found.unified.empty() && isVisible(before[4], CGROUP2_SUPER_MAGIC)) found.unified = before[4];
    if (after[0] != "cgroup" || !isVisible(before[4], CGROUP_SUPER_MAGIC)) continue;
    for (const std::string& option : split(after[2], ',')) found.legacy.emplace(option, before[4]);
  }
  return found;
}

/** Collects what is to be written, by controller of version 1 or into the one group of version 2. */
class Limits {
 public:
  Limits(const Hierarchies& hierarchies, std::string path) : hierarchies_(hierarchies), path_(std::move(path)) {
    for (const char* controller : ALWAYS) legacyGroup(controller);
  }

  bool isLegacy(const std::string& controller) const { return hierarchies_.legacy.count(controller) > 0; }

  /** Throws when the controller is in no hierarchy. */
  void set(const std::string& controller, const std::string& legacyFile, const std::string& legacyText, const std::string& file, const std::string& text) {
    if (auto* const group = legacyGroup(controller)) {
      if (legacyFile.empty()) failWith("linux.resources asks for " + file + ", which the " + controller + " controller of version 1 does not have", ENOSYS);
      group->emplace_back(legacyFile, legacyText);
    } else {
      if (hierarchies_.unified.empty()) failWith("linux.resources needs the " + controller + " controller, which is not mounted", ENOSYS);
      if (file.empty()) failWith("linux.resources asks for " + legacyFile + ", which version 2 does not have", ENOSYS);
      unified_.emplace_back(file, text);
    }
  }

  void setUnified(const std::string& file, const std::string& text) {
    if (hierarchies_.unified.empty()) failWith("linux.resources.unified needs cgroup version 2, which is not mounted", ENOSYS);
    unified_.emplace_back(file, text);
  }

  CgroupPlan plan() && {
    CgroupPlan plan;
    for (auto& [mountPoint, limits] : byMount_) plan.groups.push_back({mountPoint + path_, false, std::move(limits), {}});
    if (!hierarchies_.unified.empty()) plan.groups.push_back({hierarchies_.unified + path_, true, std::move(unified_), {}});
    if (byMount_.empty()) {
      if (!hierarchies_.unified.empty()) plan.visible.emplace_back("", hierarchies_.unified + path_);
      return plan;
    }
    for (const auto& [controller, mountPoint] : hierarchies_.legacy) {
      if (byMount_.count(mountPoint) > 0 && hierarchies_.legacy.count(controller) > 0 && isController(controller)) plan.visible.emplace_back(controller, mountPoint + path_);
    }
    return plan;
  }

 private:
  using Writes = std::vector<std::pair<std::string, std::string>>;

  /** Super options have words that are no controllers. */
  static bool isController(const std::string& word) { return word != "rw" && word != "ro" && word != "xattr" && word.find('=') == std::string::npos && word.find("clone") == std::string::npos; }

  Writes* legacyGroup(const std::string& controller) {
    const auto found = hierarchies_.legacy.find(controller);
    return found == hierarchies_.legacy.end() ? nullptr : &byMount_[found->second];
  }

  const Hierarchies& hierarchies_;
  std::string path_;
  std::map<std::string, Writes> byMount_;
  Writes unified_;
};

std::string decimal(int64_t value) { return std::to_string(value); }
/** Version 2 has a word for no limit. */
std::string orMax(int64_t value) { return value < 0 ? "max" : decimal(value); }

void takeMemory(Limits& limits, const Json& memory) {
  const auto number = [&](const char* name) { return numberOf(memory, name, "linux.resources.memory", 0); };
  const int64_t limit = number("limit"), swap = number("swap"), reservation = number("reservation");
  if (limit != 0) limits.set("memory", "memory.limit_in_bytes", decimal(limit), "memory.max", orMax(limit));
  if (reservation != 0) limits.set("memory", "memory.soft_limit_in_bytes", decimal(reservation), "memory.low", orMax(reservation));
  // Version 1 limits both together, version 2 swap alone.
  if (swap != 0) limits.set("memory", "memory.memsw.limit_in_bytes", decimal(swap), "memory.swap.max", orMax(swap < 0 ? swap : swap - limit));
  if (!memory["swappiness"].isNull()) limits.set("memory", "memory.swappiness", decimal(number("swappiness")), "", "");
  if (flagOf(memory, "disableOOMKiller", "linux.resources.memory")) limits.set("memory", "memory.oom_control", "1", "", "");
}

void takeCpu(Limits& limits, const Json& cpu) {
  const auto number = [&](const char* name) { return numberOf(cpu, name, "linux.resources.cpu", 0); };
  const int64_t shares = number("shares"), quota = number("quota"), period = number("period");
  // The kernel's own conversion of [2, 262144] to [1, 10000].
  if (shares != 0) limits.set("cpu", "cpu.shares", decimal(shares), "cpu.weight", decimal(1 + (std::max<int64_t>(shares, 2) - 2) * 9999 / 262142));
  if (limits.isLegacy("cpu")) {
    if (period != 0) limits.set("cpu", "cpu.cfs_period_us", decimal(period), "", "");
    if (quota != 0) limits.set("cpu", "cpu.cfs_quota_us", decimal(quota), "", "");
  } else if (quota != 0 || period != 0) {
    limits.set("cpu", "", "", "cpu.max", (quota > 0 ? decimal(quota) : "max") + " " + decimal(period == 0 ? 100000 : period));
  }
  const std::string cpus = textOf(cpu, "cpus", "linux.resources.cpu"), mems = textOf(cpu, "mems", "linux.resources.cpu");
  if (cpus.empty() && mems.empty()) return;
  // A group of version 1 takes no process before it has both.
  const std::string top = limits.isLegacy("cpuset") ? readHierarchies().legacy["cpuset"] : "";
  const auto inherited = [&](const char* file) {
    std::string text = readRegularFile(top + "/" + file, 4096).value_or("");
    text.erase(std::remove(text.begin(), text.end(), '\n'), text.end());
    return text;
  };
  if (!cpus.empty() || !top.empty()) limits.set("cpuset", "cpuset.cpus", cpus.empty() ? inherited("cpuset.cpus") : cpus, "cpuset.cpus", cpus);
  if (!mems.empty() || !top.empty()) limits.set("cpuset", "cpuset.mems", mems.empty() ? inherited("cpuset.mems") : mems, "cpuset.mems", mems);
}

void takeBlockIo(Limits& limits, const Json& io) {
  const std::string where = "linux.resources.blockIO";
  const int64_t weight = numberOf(io, "weight", where, 0);
  if (weight != 0) limits.set("blkio", "blkio.bfq.weight", decimal(weight), "io.bfq.weight", decimal(weight));
  static const struct {
    const char* name;
    const char* legacy;
    const char* key;
  } THROTTLES[] = {{"throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"},
                   {"throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"},
                   {"throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"},
                   {"throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"}};
  for (const auto& throttle : THROTTLES) {
    for (const Json& item : itemsOf(io, throttle.name, where)) {
      const std::string device = decimal(numberOf(item, "major", where, 0)) + ":" + decimal(numberOf(item, "minor", where, 0));
      const std::string rate = decimal(numberOf(item, "rate", where, 0));
      limits.set("blkio", throttle.legacy, device + " " + rate, "io.max", device + " " + throttle.key + "=" + rate);
    }
  }
}

std::string deviceRule(const Json& rule) {
  const std::string where = "linux.resources.devices";
  const auto part = [&](const char* name) {
    const int64_t value = numberOf(rule, name, where, -1);
    return value < 0 ? std::string("*") : decimal(value);
  };
  const std::string type = textOf(rule, "type", where);
  const std::string access = textOf(rule, "access", where);
  if ((type.empty() || type == "a") && part("major") == "*" && part("minor") == "*") return "a *:* " + (access.empty() ? "rwm" : access);
  return (type.empty() ? "a" : type) + " " + part("major") + ":" + part("minor") + " " + (access.empty() ? "rwm" : access);
}

/** What the specification's default devices and terminals need, whatever the rules say. */
const char* const USUAL_DEVICES[] = {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm"};

void takeDevices(Limits& limits, const Json& resources) {
  if (!limits.isLegacy("devices")) return;
  const auto& rules = itemsOf(resources, "devices", "linux.resources");
  limits.set("devices", "devices.deny", "a", "", "");
  for (const char* rule : USUAL_DEVICES) limits.set("devices", "devices.allow", rule, "", "");
  for (const Json& rule : rules) {
    const std::string text = deviceRule(rule);
    const bool isAllowed = flagOf(rule, "allow", "linux.resources.devices");
    // Everything is denied already, but for what is needed.
    if (!isAllowed && text.compare(0, 5, "a *:*") == 0) continue;
    limits.set("devices", isAllowed ? "devices.allow" : "devices.deny", text.compare(0, 5, "a *:*") == 0 ? "a" : text, "", "");
  }
}

/** Version 2 filters by a program that only allows: rules that take a single device away again cannot be had. */
std::vector<std::string> rulesToAllow(const Json& resources) {
  std::vector<std::string> rules(std::begin(USUAL_DEVICES), std::end(USUAL_DEVICES));
  for (const Json& rule : itemsOf(resources, "devices", "linux.resources")) {
    const std::string text = deviceRule(rule);
    const bool isAllowed = flagOf(rule, "allow", "linux.resources.devices");
    if (text.compare(0, 5, "a *:*") == 0) {
      rules.resize(std::size(USUAL_DEVICES));
      if (isAllowed) rules.clear();
    } else if (!isAllowed) {
      failWith("linux.resources.devices denies \"" + text + "\": single devices cannot be denied on cgroup version 2", ENOSYS);
    } else if (!rules.empty()) {
      if (text[0] != 'b') rules.push_back("c" + text.substr(1));
      if (text[0] != 'c') rules.push_back("b" + text.substr(1));
    }
  }
  return rules;
}

void makeParents(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0755) < 0 && errno != EEXIST && errno != EROFS) fail("create cgroup", part);
  }
}

}  // namespace

CgroupPlan planCgroups(const std::string& id, const std::string& path, const Json& resources) {
  const Hierarchies hierarchies = readHierarchies();
  if (hierarchies.legacy.empty() && hierarchies.unified.empty()) failWith("no cgroup hierarchy is mounted on this machine", ENOENT);
  if (path.find("..") != std::string::npos || path.find(':') != std::string::npos) failWith("linux.cgroupsPath \"" + path + "\" is not a path", EINVAL);
  Limits limits(hierarchies, path.empty() ? "/swarm-oci/" + id : path[0] == '/' ? path : "/swarm-oci/" + path);
  takeMemory(limits, resources["memory"]);
  takeCpu(limits, resources["cpu"]);
  takeBlockIo(limits, resources["blockIO"]);
  const int64_t pids = numberOf(resources["pids"], "limit", "linux.resources.pids", 0);
  if (pids != 0) limits.set("pids", "pids.max", orMax(pids), "pids.max", orMax(pids));
  for (const Json& page : itemsOf(resources, "hugepageLimits", "linux.resources")) {
    const std::string prefix = "hugetlb." + textOf(page, "pageSize", "linux.resources.hugepageLimits");
    const std::string limit = std::to_string(limitOf(page, "limit", "linux.resources.hugepageLimits"));
    limits.set("hugetlb", prefix + ".limit_in_bytes", limit, prefix + ".max", limit);
  }
  takeDevices(limits, resources);
  for (const auto& [file, text] : resources["unified"].members()) {
    if (file.find('/') != std::string::npos) failWith("linux.resources.unified has the file \"" + file + "\", which is a path", EINVAL);
    limits.setUnified(file, text.literal());
  }
  CgroupPlan plan = std::move(limits).plan();
  if (hierarchies.legacy.count("devices") == 0 && plan.groups.back().isUnified) plan.groups.back().deviceRules = rulesToAllow(resources);
  return plan;
}

void makeCgroups(const CgroupPlan& plan) {
  for (const CgroupSettings& group : plan.groups) makeParents(group.path);
  createCgroups(plan.groups);
}
