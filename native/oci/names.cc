#include "names.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include <cstdlib>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace {

struct Namespace {
  const char* name;
  const char* file;
  unsigned long flag;
};

constexpr Namespace NAMESPACES[] = {{"user", "user", CLONE_NEWUSER},    {"cgroup", "cgroup", CLONE_NEWCGROUP}, {"ipc", "ipc", CLONE_NEWIPC}, {"uts", "uts", CLONE_NEWUTS},
                                    {"network", "net", CLONE_NEWNET},   {"pid", "pid", CLONE_NEWPID},          {"time", "time", CLONE_NEWTIME}, {"mount", "mnt", CLONE_NEWNS}};

struct Limit {
  const char* name;
  int number;
};

constexpr Limit LIMITS[] = {{"CPU", RLIMIT_CPU},         {"FSIZE", RLIMIT_FSIZE},   {"DATA", RLIMIT_DATA},         {"STACK", RLIMIT_STACK},
                            {"CORE", RLIMIT_CORE},       {"RSS", RLIMIT_RSS},       {"NPROC", RLIMIT_NPROC},       {"NOFILE", RLIMIT_NOFILE},
                            {"MEMLOCK", RLIMIT_MEMLOCK}, {"AS", RLIMIT_AS},         {"LOCKS", RLIMIT_LOCKS},       {"SIGPENDING", RLIMIT_SIGPENDING},
                            {"MSGQUEUE", RLIMIT_MSGQUEUE}, {"NICE", RLIMIT_NICE},   {"RTPRIO", RLIMIT_RTPRIO},     {"RTTIME", RLIMIT_RTTIME}};

}  // namespace

const std::vector<std::string>& capabilityNames() {
  // In the order of their numbers (capabilities(7)).
  static const std::vector<std::string> names = {
      "CAP_CHOWN",          "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER",     "CAP_FSETID",        "CAP_KILL",         "CAP_SETGID",
      "CAP_SETUID",         "CAP_SETPCAP",      "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
      "CAP_IPC_LOCK",       "CAP_IPC_OWNER",    "CAP_SYS_MODULE",      "CAP_SYS_RAWIO",  "CAP_SYS_CHROOT",    "CAP_SYS_PTRACE",   "CAP_SYS_PACCT",
      "CAP_SYS_ADMIN",      "CAP_SYS_BOOT",     "CAP_SYS_NICE",        "CAP_SYS_RESOURCE", "CAP_SYS_TIME",    "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
      "CAP_LEASE",          "CAP_AUDIT_WRITE",  "CAP_AUDIT_CONTROL",   "CAP_SETFCAP",    "CAP_MAC_OVERRIDE",  "CAP_MAC_ADMIN",    "CAP_SYSLOG",
      "CAP_WAKE_ALARM",     "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",     "CAP_PERFMON",    "CAP_BPF",           "CAP_CHECKPOINT_RESTORE"};
  return names;
}

int capabilityNumber(const std::string& name) {
  const auto& names = capabilityNames();
  for (size_t number = 0; number < names.size(); number++) {
    if (names[number] == name) return static_cast<int>(number);
  }
  return -1;
}

int rlimitNumber(const std::string& name) {
  for (const Limit& limit : LIMITS) {
    if (name == std::string("RLIMIT_") + limit.name) return limit.number;
  }
  return -1;
}

unsigned long namespaceFlag(const std::string& name) {
  for (const Namespace& space : NAMESPACES) {
    if (name == space.name) return space.flag;
  }
  return 0;
}

const char* namespaceFile(unsigned long flag) {
  for (const Namespace& space : NAMESPACES) {
    if (flag == space.flag) return space.file;
  }
  return "";
}

const std::vector<std::string>& namespaceNames() {
  static const std::vector<std::string> names = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"};
  return names;
}

int signalNumber(const std::string& name) {
  char* end = nullptr;
  const long number = strtol(name.c_str(), &end, 10);
  if (!name.empty() && *end == '\0') return number > 0 && number < NSIG ? static_cast<int>(number) : 0;
  const std::string bare = name.compare(0, 3, "SIG") == 0 ? name.substr(3) : name;
  for (int signal = 1; signal < NSIG; signal++) {
    const char* const abbreviation = sigabbrev_np(signal);
    if (abbreviation != nullptr && bare == abbreviation) return signal;
  }
  return 0;
}
