#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cgroup-plan.h"
#include "hierarchies.h"

/** What is written into one hierarchy's group or the other's, whichever has the controller. */
struct Limit {
  /** By its name of version 1. */
  const char* controller;
  /** Of version 1; empty when it has no such thing. */
  std::string legacyFile;
  std::string legacyText;
  /** Of version 2, likewise. */
  std::string file;
  std::string text;
};

/**
 * Collects limits by hierarchy. A file may be alternatives with `|` between, and so its text: the first that the kernel has is written, and an empty last one means
 * that none need be there.
 */
class Limits {
 public:
  Limits(const Hierarchies& hierarchies, std::string path);

  bool isLegacy(const std::string& controller) const { return hierarchies_.legacy.count(controller) > 0; }
  /** Where a controller of version 1 is mounted; empty where it is not. */
  std::string mountPointOf(const std::string& controller) const;

  /** Throws when no hierarchy can keep it. */
  void set(const Limit& limit);
  void setUnified(const std::string& file, const std::string& text);
  CgroupPlan plan() &&;

 private:
  using Writes = std::vector<std::pair<std::string, std::string>>;

  Writes* legacyGroup(const std::string& controller);

  const Hierarchies& hierarchies_;
  std::string path_;
  std::map<std::string, Writes> byMount_;
  Writes unified_;
  /** Of version 2. */
  std::set<std::string> needed_;
};
