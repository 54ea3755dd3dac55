#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct MountSettings {
  std::string type;  // bind, tmpfs
  std::string source;
  std::string target;
  bool isReadOnly = false;
  std::string propagation;
  /** Below a bind's source, whose content may be a container's: resolved within it. */
  std::string subpath;
  /** Of a bind: without what is mounted below the source. */
  bool isShallow = false;
  /** What is mounted below the source stays writable. */
  bool isReadOnlyShallow = false;
  /** Of a bind, in a user namespace: its files are the container's, as those of its layers, not the host's. */
  bool isOwn = false;
  /** Of a bind: the source is what the container whose IPC namespace is shared has there. */
  bool isShared = false;
  /** Flags and options of tmpfs, as mount(2) takes them. */
  unsigned long flags = 0;
  std::string data;
};

/** Of a user namespace, as the kernel takes them (user_namespaces(7)): lines `INSIDE OUTSIDE COUNT`. Empty for a container in the host's. */
struct IdMaps {
  std::string users;
  std::string groups;
};

/** One directory in one cgroup hierarchy, made for this container and removed with it. */
struct CgroupSettings {
  std::string path;
  /** Version 2: the process is born in it. Version 1: it enters by itself. */
  bool isUnified = false;
  /** File and text, written in this order. */
  std::vector<std::pair<std::string, std::string>> limits;
  /** Version 2: the only devices that may be opened in it (device-filter.h); none for no filter. */
  std::vector<std::string> deviceRules;
};

/** A namespace that is another container's. */
struct SharedNamespace {
  /** CLONE_NEW* */
  uint64_t kind = 0;
  /** One that is in it, and a text that its cgroup's path has. */
  pid_t process = 0;
  std::string group;
};

struct RlimitSettings {
  int resource;
  uint64_t soft;
  uint64_t hard;
};

struct DeviceSettings {
  /** Below /dev. */
  std::string name;
  bool isBlock;
  unsigned major;
  unsigned minor;
  unsigned mode;
  uid_t user = 0;
  gid_t group = 0;
};

/** How the program's standard streams are made. */
struct TerminalSettings {
  bool isTerminal = false;
  unsigned short rows = 0;
  unsigned short columns = 0;
  /** Without it, standard input is /dev/null. */
  bool hasInput = false;
  /** Standard input ends with the first attacher that has sent all. */
  bool isInputOnce = false;
};

struct NetworkSettings {
  std::string mode;  // host, none, bridge, container (that of SharedNamespace)
  std::string bridge;
  std::string hostInterface;
  std::string mac;
  std::string address;
  std::string gateway;
  unsigned mtu = 1500;
};

struct LogSettings {
  std::string path;
  uint64_t sizeMax = 0;
  unsigned filesMax = 1;
  /** The local driver's format, not json-file's. */
  bool isLocal = false;
  /** A JSON object that goes into each entry of json-file; empty is none. */
  std::string attributes;
  /** The program swarm-compress, for files that are full; empty leaves them as they are. */
  std::string compressor;
};

/** Another OCI runtime that is to make the container below the shim (other-runtime.h); without a path, the shim does so itself. */
struct OtherRuntimeSettings {
  std::string path;
  std::vector<std::string> args;
  /** Where it keeps its state. */
  std::string root;
  /** Folder for this call's bundle, made and removed by the shim. */
  std::string bundle;
  /** Its name for the container. */
  std::string container;
  /** config.json, or process.json of a program that joins a container. */
  std::string config;
  /** The container's version 2 group, where version 1 is there too. */
  std::string unifiedGroup;
};

/** What one container shall be. All policy was decided by the daemon: nothing here has a default of its own that matters. */
struct Settings {
  std::string id;
  std::string socketPath;
  /** Gets the file `exit`. */
  std::string folder;
  LogSettings log;
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string workingDir;
  std::string user;
  std::vector<std::string> groups;
  std::string hostname;
  /** Mount point of the overlay, and its parts; the uppermost layer first. */
  std::string root;
  std::string upper;
  std::string work;
  std::vector<std::string> layers;
  bool isRootReadOnly = false;
  std::vector<MountSettings> mounts;
  std::vector<std::string> maskedPaths;
  std::vector<std::string> readOnlyPaths;
  std::vector<CgroupSettings> cgroups;
  /** Has a line `oom_kill N`. */
  std::string outOfMemoryFile;
  /** Groups of its own that the container sees, read-only: below /sys/fs/cgroup by this name, or as /sys/fs/cgroup itself when the name is empty. */
  std::vector<std::pair<std::string, std::string>> visibleCgroups;
  std::vector<std::pair<std::string, std::string>> sysctls;
  std::vector<RlimitSettings> rlimits;
  std::string oomScoreAdj = "0";
  uint64_t capabilities = 0;
  bool noNewPrivileges = false;
  NetworkSettings network;
  /** Kinds of namespaces (CLONE_NEW*) of which it has none of its own: it is in the host's. */
  uint64_t namespacesOfHost = 0;
  std::vector<SharedNamespace> shared;
  IdMaps maps;
  std::string domainname;
  TerminalSettings terminal;
  /** File with the program for seccomp(2) that swarm-seccomp made; empty is none. */
  std::string seccompFilter;
  unsigned seccompFlags = 0;
  /** Made in the container's /dev beside the usual ones. */
  std::vector<DeviceSettings> devices;
  /** Of /dev/shm; 0 for none. */
  uint64_t sharedMemorySize = 64U << 20;
  /** /sys and the container's own cgroups can be written. */
  bool isSystemWritable = false;
  /** Attachers to wait for, a while, before the program starts: they shall miss nothing. */
  unsigned attachersExpected = 0;
  /** Set when the program is one more in a container that runs (exec.h): its first process, and a text that its cgroup's path has. */
  pid_t joinedProcess = 0;
  std::string joinedGroup;
  OtherRuntimeSettings otherRuntime;
};

/**
 * Reads a request: records `key=value`, each ended by a NUL. A list repeats its key; `mount=`, `cgroup=` and `rlimit=` begin an entry and the dotted
 * keys after it fill it in. An unknown key is refused: daemon and shim are built together.
 */
Settings parseSettings(std::string_view request);

/** The same records without a look at whether a program can be started by them. */
Settings parseRecords(std::string_view request);
