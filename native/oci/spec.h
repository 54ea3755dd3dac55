#pragma once

#include <string>
#include <vector>

#include "../base/json.h"
#include "../shim/identity.h"
#include "../shim/settings.h"
#include "mount-options.h"
#include "process-attributes.h"
#include "seccomp-listener.h"

/** A namespace that the container has: of its own, or with a path an existing one. */
struct NamespaceSettings {
  /** CLONE_NEW*. */
  unsigned long flag;
  std::string path;
};

struct IdRange {
  uint32_t inside;
  uint32_t outside;
  uint32_t count;
};

/** One process of a container. */
struct ProcessSettings {
  Identity identity = {0, 0, {}, ""};
  CapabilitySets capabilities;
  int umask = -1;
  ProcessAttributes attributes;
  /** As personality(2) takes it; of the whole container. */
  unsigned long personality = 0;
  /** args, env, workingDir, rlimits, oomScoreAdj, noNewPrivileges, terminal. */
  Settings settings;
};

/** What a bundle's config.json (OCI runtime specification 1.0) asks for, as far as Linux containers go. */
struct Spec {
  ProcessSettings process;
  /** Absolute. */
  std::string root;
  std::vector<OciMount> mounts;
  std::vector<NamespaceSettings> namespaces;
  std::vector<IdRange> uidMap;
  std::vector<IdRange> gidMap;
  /** What /proc/self/timens_offsets takes. */
  std::string timeOffsets;
  std::string rootPropagation;
  std::string cgroupsPath;
  Json resources;
  Json seccomp;
  SeccompListener listener;
  /** SELinux label of what is mounted for the container; empty is none. */
  std::string mountLabel;
  Json hooks;
  Json annotations;
  std::string version;

  bool hasOwn(unsigned long flag) const;
  bool has(unsigned long flag) const;
};

/** The text of BUNDLE/config.json. */
std::string readConfig(const std::string& bundle);

/** Throws with the path in the document for what is missing, malformed, or not supported. */
Spec parseSpec(const std::string& text, const std::string& bundle);

/** `process` of config.json, or the text of process.json. */
ProcessSettings parseProcess(const Json& process, const std::string& where);
