#include "cgroup-plan.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "../base/cgroup-folder.h"
#include "../base/error.h"
#include "../base/file.h"
#include "../shim/cgroups.h"
#include "device-rules.h"
#include "hierarchies.h"
#include "limits.h"
#include "resources.h"

namespace {

/** Of containers that name none. */
const std::string DEFAULT_PARENT = "/swarm-oci/";
constexpr int ATTEMPTS = 10;

std::string readText(const std::string& path) { return readRegularFile(path, 4096).value_or(""); }

bool isBlank(const std::string& text) { return text.find_first_not_of(" \n") == std::string::npos; }

/** A group of version 1 takes no process before it has processors and memory nodes. */
void inheritCpuset(const std::string& group) {
  const std::string parent = group.substr(0, group.rfind('/'));
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    const auto own = readRegularFile(group + file, 4096);
    if (own && isBlank(*own)) writeSetting(group + file, readText(parent + file));
  }
}

bool hasWord(const std::string& words, const std::string& word) {
  std::istringstream stream(words);
  for (std::string one; stream >> one;) {
    if (one == word) return true;
  }
  return false;
}

/** What nobody needs may be refused: who has it counts more. */
void enableControllers(const std::string& group, const std::set<std::string>& needed) {
  const std::string all = readText(group + "/cgroup.controllers"), enabled = readText(group + "/cgroup.subtree_control");
  for (const std::string& controller : needed) {
    if (!hasWord(all, controller)) failWith("linux.resources needs the " + controller + " controller, which " + group + " does not have", ENOSYS);
  }
  std::istringstream names(all);
  for (std::string name; names >> name;) {
    if (hasWord(enabled, name)) continue;
    const Fd file = openFile(group + "/cgroup.subtree_control", O_WRONLY);
    const std::string word = "+" + name;
    if (retry([&] { return write(file.get(), word.data(), word.size()); }) < 0 && needed.count(name) > 0) fail("enable the " + name + " controller in", group);
  }
}

void makeWithParents(const CgroupSettings& group, size_t groupSize, const std::set<std::string>& needed) {
  for (size_t slash = group.path.size() - groupSize; slash != std::string::npos;) {
    const std::string above = group.path.substr(0, slash);
    slash = group.path.find('/', slash + 1);
    const std::string path = group.path.substr(0, slash);
    if (group.isUnified) enableControllers(above, needed);
    if (mkdir(path.c_str(), 0755) < 0 && errno != EEXIST) fail("create cgroup", path);
    if (!group.isUnified) inheritCpuset(path);
  }
}

/** Without slashes that say nothing. */
std::string normal(const std::string& path) {
  std::string text;
  for (const char c : path) {
    if (c != '/' || text.empty() || text.back() != '/') text += c;
  }
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

std::vector<std::string> alternatives(const std::string& text) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t bar; (bar = text.find('|', begin)) != std::string::npos; begin = bar + 1) parts.push_back(text.substr(begin, bar - begin));
  parts.push_back(text.substr(begin));
  return parts;
}

/** In the group that is there by now: takes those files that the kernel has. */
void chooseFiles(CgroupSettings& group) {
  std::vector<std::pair<std::string, std::string>> chosen;
  for (const auto& [file, text] : group.limits) {
    const auto files = alternatives(file), texts = alternatives(text);
    const auto has = [&](const std::string& name) { return access((group.path + "/" + name).c_str(), F_OK) == 0; };
    const auto found = files.size() == 1 ? files.begin() : std::find_if(files.begin(), files.end(), has);
    const auto& last = files.back();
    if (found == files.end() && last.empty()) continue;
    const size_t index = found == files.end() ? 0 : static_cast<size_t>(found - files.begin());
    if (files[index].empty()) continue;
    chosen.emplace_back(files[index], files.size() == 1 ? text : texts[index]);
  }
  group.limits = std::move(chosen);
}

}  // namespace

CgroupPlan planCgroups(const std::string& id, const std::string& path, const Json& resources) {
  const Hierarchies hierarchies = readHierarchies();
  if (path.find("..") != std::string::npos || path.find(':') != std::string::npos) failWith("linux.cgroupsPath \"" + path + "\" is not a path", EINVAL);
  const std::string group = normal(path.empty() ? DEFAULT_PARENT + id : path[0] == '/' ? path : DEFAULT_PARENT + path);
  Limits limits(hierarchies, group);
  takeResources(limits, resources);
  takeDevices(limits, resources);
  CgroupPlan plan = std::move(limits).plan();
  plan.groupSize = group.size();
  if (hierarchies.legacy.count("devices") == 0 && plan.groups.back().isUnified) plan.groups.back().deviceRules = deviceFilterRules(resources);
  return plan;
}

void requireUnused(const CgroupPlan& plan) {
  for (const CgroupSettings& group : plan.groups) {
    if (hasMembers(group.path)) failWith("cgroup " + group.path + " has processes: the container's end would be theirs", EBUSY);
  }
}

void makeCgroups(CgroupPlan& plan) {
  for (CgroupSettings& group : plan.groups) {
    for (int attempt = 1;; attempt++) {
      try {
        makeWithParents(group, plan.groupSize, plan.needed);
        break;
      } catch (const Failure& failure) {
        // Another container's end takes the default parent away in between.
        if (failure.error != ENOENT || attempt == ATTEMPTS) throw;
      }
    }
    chooseFiles(group);
  }
  createCgroups(plan.groups);
}

void removeWithParents(const std::vector<std::string>& paths) {
  removeCgroups(paths);
  const Hierarchies hierarchies = readHierarchies();
  std::set<std::string> mountPoints = {hierarchies.unified};
  for (const auto& [controller, mountPoint] : hierarchies.legacy) mountPoints.insert(mountPoint);
  for (const std::string& path : paths) {
    const size_t parent = path.find(DEFAULT_PARENT);
    if (parent == std::string::npos || mountPoints.count(path.substr(0, parent)) == 0) continue;
    const size_t least = parent + DEFAULT_PARENT.size() - 1;
    // Others may be in it: then it stays.
    for (size_t slash = path.rfind('/'); slash != std::string::npos && slash >= least && rmdir(path.substr(0, slash).c_str()) == 0; slash = path.rfind('/', slash - 1)) continue;
  }
}
