#include "process-attributes.h"

#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"
#include "fields.h"

namespace {

struct Word {
  const char* name;
  uint64_t number;
};

/** sched(7), ioprio_set(2): libraries have headers for few of them. */
constexpr Word POLICIES[] = {{"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2}, {"SCHED_BATCH", 3}, {"SCHED_IDLE", 5}, {"SCHED_DEADLINE", 6}};
constexpr Word FLAGS[] = {{"SCHED_FLAG_RESET_ON_FORK", 1}, {"SCHED_FLAG_RECLAIM", 2},        {"SCHED_FLAG_DL_OVERRUN", 4},  {"SCHED_FLAG_KEEP_POLICY", 8},
                          {"SCHED_FLAG_KEEP_PARAMS", 16},  {"SCHED_FLAG_UTIL_CLAMP_MIN", 32}, {"SCHED_FLAG_UTIL_CLAMP_MAX", 64}};
constexpr Word CLASSES[] = {{"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};
constexpr int CLASS_SHIFT = 13;
constexpr int PRIORITY_MAX = 7;
constexpr int WHO_PROCESS = 1;
constexpr long SELINUX_MAGIC_NUMBER = 0xf97cff8c;

template <size_t Size>
uint64_t numberIn(const Word (&words)[Size], const std::string& name, const std::string& where) {
  for (const Word& word : words) {
    if (name == word.name) return word.number;
  }
  failWith(where + " \"" + name + "\" is unknown", EINVAL);
}

ProcessAttributes::Scheduler parseScheduler(const Json& json, const std::string& where) {
  ProcessAttributes::Scheduler scheduler;
  if (json.isNull()) return scheduler;
  scheduler.isSet = true;
  scheduler.policy = static_cast<uint32_t>(numberIn(POLICIES, textOf(json, "policy", where), where + ".policy"));
  for (const std::string& flag : textsOf(json, "flags", where)) scheduler.flags |= numberIn(FLAGS, flag, where + ".flags");
  scheduler.nice = static_cast<int32_t>(numberOf(json, "nice", where, 0));
  scheduler.priority = static_cast<uint32_t>(numberOf(json, "priority", where, 0));
  scheduler.runtime = static_cast<uint64_t>(numberOf(json, "runtime", where, 0));
  scheduler.deadline = static_cast<uint64_t>(numberOf(json, "deadline", where, 0));
  scheduler.period = static_cast<uint64_t>(numberOf(json, "period", where, 0));
  return scheduler;
}

int parseIoPriority(const Json& json, const std::string& where) {
  if (json.isNull()) return -1;
  const int64_t priority = numberOf(json, "priority", where, 0);
  if (priority < 0 || priority > PRIORITY_MAX) failWith(where + ".priority " + std::to_string(priority) + " is not from 0 to 7", EINVAL);
  return static_cast<int>(numberIn(CLASSES, textOf(json, "class", where), where + ".class") << CLASS_SHIFT | static_cast<uint64_t>(priority));
}

void setScheduler(const ProcessAttributes::Scheduler& scheduler) {
  const struct {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime;
    uint64_t deadline;
    uint64_t period;
  } attributes = {48, scheduler.policy, scheduler.flags, scheduler.nice, scheduler.priority, scheduler.runtime, scheduler.deadline, scheduler.period};
  check(static_cast<int>(syscall(SYS_sched_setattr, 0, &attributes, 0)), "set process.scheduler");
}

void writeLabel(const std::string& label, const char* field) {
  const bool isOwn = access("/proc/self/attr/apparmor/exec", F_OK) == 0 && std::string(field) == "process.apparmorProfile";
  try {
    writeProcSetting(isOwn ? "/proc/self/attr/apparmor/exec" : "/proc/self/attr/exec", label);
  } catch (const Failure& failure) {
    failWith(std::string(field) + " cannot be set: " + failure.text, failure.error);
  }
}

}  // namespace

bool hasAppArmor() { return readRegularFile("/sys/module/apparmor/parameters/enabled", 16).value_or("").compare(0, 1, "Y") == 0; }

bool hasSelinux() {
  struct statfs info = {};
  return statfs("/sys/fs/selinux", &info) == 0 && static_cast<long>(static_cast<uint32_t>(info.f_type)) == SELINUX_MAGIC_NUMBER;
}

ProcessAttributes parseAttributes(const Json& process, const std::string& where) {
  ProcessAttributes attributes;
  attributes.apparmorProfile = textOf(process, "apparmorProfile", where);
  attributes.selinuxLabel = textOf(process, "selinuxLabel", where);
  attributes.scheduler = parseScheduler(process["scheduler"], where + ".scheduler");
  attributes.ioPriority = parseIoPriority(process["ioPriority"], where + ".ioPriority");
  if (!process["execCPUAffinity"].isNull()) failWith(where + ".execCPUAffinity is not supported", ENOSYS);
  if (!attributes.apparmorProfile.empty() && !hasAppArmor()) {
    failWith(where + ".apparmorProfile \"" + attributes.apparmorProfile + "\" cannot be applied: this machine's kernel runs without AppArmor", ENOSYS);
  }
  if (!attributes.selinuxLabel.empty() && !hasSelinux()) {
    failWith(where + ".selinuxLabel \"" + attributes.selinuxLabel + "\" cannot be applied: this machine's kernel runs without SELinux", ENOSYS);
  }
  return attributes;
}

void applyAttributes(const ProcessAttributes& attributes) {
  if (attributes.scheduler.isSet) setScheduler(attributes.scheduler);
  if (attributes.ioPriority >= 0) check(static_cast<int>(syscall(SYS_ioprio_set, WHO_PROCESS, 0, attributes.ioPriority)), "set process.ioPriority");
  if (!attributes.apparmorProfile.empty()) writeLabel("exec " + attributes.apparmorProfile, "process.apparmorProfile");
  if (!attributes.selinuxLabel.empty()) writeLabel(attributes.selinuxLabel, "process.selinuxLabel");
}
