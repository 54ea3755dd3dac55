#include "limits.h"

#include "../base/error.h"

namespace {

/** Those of version 1 in which every container has a group of its own; in others when they have something to limit. */
const char* const ALWAYS[] = {"memory", "cpu", "cpuacct", "pids", "devices", "freezer"};

/** Super options have words that are no controllers. */
bool isController(const std::string& word) {
  return word != "rw" && word != "ro" && word != "xattr" && word.find('=') == std::string::npos && word.find("clone") == std::string::npos;
}

}  // namespace

Limits::Limits(const Hierarchies& hierarchies, std::string path) : hierarchies_(hierarchies), path_(std::move(path)) {
  for (const char* controller : ALWAYS) legacyGroup(controller);
}

std::string Limits::mountPointOf(const std::string& controller) const {
  const auto found = hierarchies_.legacy.find(controller);
  return found == hierarchies_.legacy.end() ? "" : found->second;
}

Limits::Writes* Limits::legacyGroup(const std::string& controller) {
  const std::string mountPoint = mountPointOf(controller);
  return mountPoint.empty() ? nullptr : &byMount_[mountPoint];
}

void Limits::set(const Limit& limit) {
  const std::string controller = limit.controller;
  if (auto* const group = legacyGroup(controller)) {
    if (limit.legacyFile.empty()) failWith("linux.resources asks for " + limit.file + ", which the " + controller + " controller of version 1 does not have", ENOSYS);
    group->emplace_back(limit.legacyFile, limit.legacyText);
    return;
  }
  if (hierarchies_.unified.empty()) failWith("linux.resources needs the " + controller + " controller, which is not mounted", ENOSYS);
  if (limit.file.empty()) failWith("linux.resources asks for " + limit.legacyFile + ", which version 2 does not have", ENOSYS);
  needed_.insert(controller == "blkio" ? "io" : controller);
  unified_.emplace_back(limit.file, limit.text);
}

void Limits::setUnified(const std::string& file, const std::string& text) {
  if (hierarchies_.unified.empty()) failWith("linux.resources.unified needs cgroup version 2, which is not mounted", ENOSYS);
  const std::string controller = file.substr(0, file.find('.'));
  if (controller != "cgroup") needed_.insert(controller);
  unified_.emplace_back(file, text);
}

CgroupPlan Limits::plan() && {
  CgroupPlan plan;
  plan.needed = std::move(needed_);
  for (auto& [mountPoint, limits] : byMount_) plan.groups.push_back({mountPoint + path_, false, std::move(limits), {}});
  if (!hierarchies_.unified.empty()) plan.groups.push_back({hierarchies_.unified + path_, true, std::move(unified_), {}});
  if (byMount_.empty()) {
    if (!hierarchies_.unified.empty()) plan.visible.emplace_back("", hierarchies_.unified + path_);
    return plan;
  }
  for (const auto& [controller, mountPoint] : hierarchies_.legacy) {
    if (byMount_.count(mountPoint) > 0 && isController(controller)) plan.visible.emplace_back(controller, mountPoint + path_);
  }
  return plan;
}
