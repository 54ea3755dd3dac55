#include "seccomp-policy.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "../base/error.h"
#include "../base/file.h"
#include "fields.h"

namespace {

struct Word {
  const char* oci;
  const char* ours;
};

constexpr Word ACTIONS[] = {{"SCMP_ACT_ALLOW", "allow"},           {"SCMP_ACT_ERRNO", "errno"}, {"SCMP_ACT_KILL", "kill"}, {"SCMP_ACT_KILL_THREAD", "kill"},
                            {"SCMP_ACT_KILL_PROCESS", "kill-process"}, {"SCMP_ACT_TRAP", "trap"},   {"SCMP_ACT_LOG", "log"}, {"SCMP_ACT_NOTIFY", "notify"},   {"SCMP_ACT_TRACE", "trace"}};
constexpr Word OPERATORS[] = {{"SCMP_CMP_NE", "ne"}, {"SCMP_CMP_LT", "lt"}, {"SCMP_CMP_LE", "le"},           {"SCMP_CMP_EQ", "eq"},
                              {"SCMP_CMP_GE", "ge"}, {"SCMP_CMP_GT", "gt"}, {"SCMP_CMP_MASKED_EQ", "masked-eq"}};

/** SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, newer than some headers. */
constexpr unsigned WAIT_KILLABLE_RECV = 1U << 5;

template <size_t Size>
std::string translate(const Word (&words)[Size], const std::string& word, const char* where) {
  for (const Word& known : words) {
    if (word == known.oci) return known.ours;
  }
  failWith(std::string(where) + " \"" + word + "\" is not supported", ENOSYS);
}

/** EPERM where the specification leaves it out. */
std::string actionOf(const Json& object, const char* name, const char* errnoName, const char* where) {
  const std::string action = translate(ACTIONS, textOf(object, name, where), where);
  const bool hasNumber = action == "errno" || action == "trace";
  const std::string place = std::string(where).substr(0, std::string(where).rfind('.'));
  return action + " " + std::to_string(hasNumber ? numberUpTo(object, errnoName, place, EPERM, SECCOMP_RET_DATA) : 0);
}

std::string architectureOf(const std::string& name) {
  if (name.compare(0, 10, "SCMP_ARCH_") != 0) failWith("linux.seccomp.architectures has \"" + name + "\"", EINVAL);
  std::string lower = name.substr(10);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(tolower(c)); });
  return lower;
}

std::string policyOf(const Json& seccomp) {
  std::string policy = "default " + actionOf(seccomp, "defaultAction", "defaultErrnoRet", "linux.seccomp.defaultAction") + "\n";
  for (const std::string& name : textsOf(seccomp, "architectures", "linux.seccomp")) policy += "arch " + architectureOf(name) + "\n";
  for (const Json& rule : itemsOf(seccomp, "syscalls", "linux.seccomp")) {
    const std::string action = actionOf(rule, "action", "errnoRet", "linux.seccomp.syscalls.action");
    std::string conditions;
    for (const Json& argument : itemsOf(rule, "args", "linux.seccomp.syscalls")) {
      const auto value = [&](const char* name) { return argument[name].isNull() ? std::string("0") : std::to_string(limitOf(argument, name, "linux.seccomp.syscalls.args")); };
      const std::string comparison = translate(OPERATORS, textOf(argument, "op", "linux.seccomp.syscalls.args"), "linux.seccomp.syscalls.args.op");
      conditions += " " + value("index") + " " + comparison + " " + value("value") + " " + value("valueTwo");
    }
    for (const std::string& name : textsOf(rule, "names", "linux.seccomp.syscalls")) policy += "rule " + action + " " + name + conditions + "\n";
  }
  return policy;
}

Fd memoryFile(const std::string& text) {
  Fd file(check(memfd_create("policy", MFD_CLOEXEC), "make a file in memory"));
  writeAll(file.get(), text, "the policy");
  check(static_cast<int>(lseek(file.get(), 0, SEEK_SET)), "rewind", "the policy");
  return file;
}

std::string readAll(const Fd& file) {
  std::string text;
  char part[4096];
  check(static_cast<int>(lseek(file.get(), 0, SEEK_SET)), "rewind", "the filter");
  for (ssize_t count; (count = retry([&] { return read(file.get(), part, sizeof part); })) > 0;) text.append(part, static_cast<size_t>(count));
  return text;
}

/** Also by the default action, with which it cannot say where its end is: to that, and the rest of what it does before somebody listens, it must be allowed. */
bool isNotifying(const Json& seccomp) {
  const std::string notify = "SCMP_ACT_NOTIFY";
  if (textOf(seccomp, "defaultAction", "linux.seccomp") == notify) failWith("linux.seccomp.defaultAction cannot be SCMP_ACT_NOTIFY: the listener is told by a system call", EINVAL);
  bool isFound = false;
  for (const Json& rule : itemsOf(seccomp, "syscalls", "linux.seccomp")) {
    if (textOf(rule, "action", "linux.seccomp.syscalls") != notify) continue;
    isFound = true;
    for (const std::string& name : textsOf(rule, "names", "linux.seccomp.syscalls")) {
      if (name == "write") failWith("linux.seccomp.syscalls cannot ask the listener about \"write\": it is told by this system call", EINVAL);
    }
  }
  return isFound;
}

unsigned flagsOf(const Json& seccomp) {
  unsigned flags = 0;
  for (const std::string& name : textsOf(seccomp, "flags", "linux.seccomp")) {
    if (name == "SECCOMP_FILTER_FLAG_LOG") flags |= SECCOMP_FILTER_FLAG_LOG;
    else if (name == "SECCOMP_FILTER_FLAG_SPEC_ALLOW") flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    else if (name == "SECCOMP_FILTER_FLAG_TSYNC") flags |= SECCOMP_FILTER_FLAG_TSYNC;
    else if (name == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" && isNotifying(seccomp)) flags |= WAIT_KILLABLE_RECV;
    else failWith("linux.seccomp.flags has \"" + name + "\", which is not supported", ENOSYS);
  }
  if (!isNotifying(seccomp)) return flags;
  if (textOf(seccomp, "listenerPath", "linux.seccomp").empty()) failWith("SCMP_ACT_NOTIFY needs linux.seccomp.listenerPath", EINVAL);
  // There is one thread yet, and the kernel gives a listener or synchronises several.
  return (flags & ~static_cast<unsigned>(SECCOMP_FILTER_FLAG_TSYNC)) | SECCOMP_FILTER_FLAG_NEW_LISTENER;
}

}  // namespace

SeccompFilter compileSeccomp(const Json& seccomp, const std::string& folder) {
  if (seccomp.isNull()) return SeccompFilter("", 0);
  const std::string program = folder + "/swarm-seccomp";
  const Fd policy = memoryFile(policyOf(seccomp));
  const Fd filter = memoryFile("");
  const Fd words = memoryFile("");
  const pid_t process = check(fork(), "fork");
  if (process == 0) {
    if (dup2(policy.get(), 0) < 0 || dup2(filter.get(), 1) < 0 || dup2(words.get(), 2) < 0) _exit(126);
    execl(program.c_str(), program.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  check(retry([&] { return waitpid(process, &status, 0); }), "wait for", program);
  if (status != 0) {
    const std::string reason = readAll(words);
    failWith("linux.seccomp cannot be compiled by " + program + ": " + (reason.empty() ? "it ended with status " + std::to_string(status) : reason.substr(0, reason.find('\n'))));
  }
  return SeccompFilter::ofProgram(readAll(filter), flagsOf(seccomp));
}
