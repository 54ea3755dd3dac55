#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "../base/error.h"

/**
 * swarm-seccomp: compiles a policy, which it reads on standard input, to the program that seccomp(2) takes, which it writes to standard output. A program of its
 * own, so that the library and its memory are in no process that stays. The policy is lines of words; src/runtime/seccomp/ writes them:
 *
 *   default ACTION ERRNO            ACTION is allow, errno, kill, kill-process, trap, log, notify or trace; ERRNO 0 where it has none
 *   arch NAME                       beside the machine's own, as libseccomp calls it
 *   rule ACTION ERRNO NAME [INDEX OPERATOR VALUE VALUE2]...
 *
 * Names that this machine's library does not know are skipped: they cannot be allowed, nor need they be refused. Where the default refuses, system calls that are
 * newer than every named one end with ENOSYS, so that programs fall back to what there is instead of failing.
 */
namespace {

uint32_t actionOf(const std::string& name, unsigned error) {
  if (name == "allow") return SCMP_ACT_ALLOW;
  if (name == "errno") return SCMP_ACT_ERRNO(error);
  if (name == "kill") return SCMP_ACT_KILL_THREAD;
  if (name == "kill-process") return SCMP_ACT_KILL_PROCESS;
  if (name == "trap") return SCMP_ACT_TRAP;
  if (name == "log") return SCMP_ACT_LOG;
  if (name == "notify") return SCMP_ACT_NOTIFY;
  if (name == "trace") return SCMP_ACT_TRACE(error);
  failWith("unknown action \"" + name + "\"");
}

scmp_compare operatorOf(const std::string& name) {
  static const std::pair<const char*, scmp_compare> OPERATORS[] = {{"ne", SCMP_CMP_NE}, {"lt", SCMP_CMP_LT}, {"le", SCMP_CMP_LE},           {"eq", SCMP_CMP_EQ},
                                                                   {"ge", SCMP_CMP_GE}, {"gt", SCMP_CMP_GT}, {"masked-eq", SCMP_CMP_MASKED_EQ}};
  for (const auto& [word, value] : OPERATORS) {
    if (name == word) return value;
  }
  failWith("unknown operator \"" + name + "\"");
}

/** libseccomp's functions return a negative errno. */
void checkLibrary(int result, const std::string& what) {
  if (result < 0) fail(what, {}, -result);
}

class Compiler {
 public:
  ~Compiler() {
    if (filter_ != nullptr) seccomp_release(filter_);
  }

  void take(const std::string& line) {
    std::istringstream words(line);
    std::string kind;
    if (!(words >> kind)) return;
    if (kind == "default") takeDefault(words);
    else if (filter_ == nullptr) failWith("the policy does not begin with its default action");
    else if (kind == "arch") takeArchitecture(words);
    else if (kind == "rule") takeRule(words, line);
    else failWith("unknown line \"" + line + "\"");
  }

  void write() {
    if (filter_ == nullptr) failWith("the policy is empty");
    if (refusesNew_) writeNewerStub();
    checkLibrary(seccomp_export_bpf(filter_, STDOUT_FILENO), "compile the filter");
  }

 private:
  void takeDefault(std::istringstream& words) {
    std::string name;
    unsigned error = 0;
    if (!(words >> name >> error)) failWith("the policy's default action has no number");
    default_ = actionOf(name, error);
    refusesNew_ = name == "errno" && error != ENOSYS;
    filter_ = seccomp_init(default_);
    if (filter_ == nullptr) failWith("default action " + name + " is not supported");
    // A tree of comparisons instead of a list: a hundredth of the cost for the last calls.
    checkLibrary(seccomp_attr_set(filter_, SCMP_FLTATR_CTL_OPTIMIZE, 2), "ask for a tree");
  }

  void takeArchitecture(std::istringstream& words) {
    std::string name;
    words >> name;
    const uint32_t token = seccomp_arch_resolve_name(name.c_str());
    if (token == 0) failWith("unknown architecture \"" + name + "\"");
    const int result = seccomp_arch_add(filter_, token);
    if (result != -EEXIST) checkLibrary(result, "add architecture " + name);
  }

  void takeRule(std::istringstream& words, const std::string& line) {
    std::string actionName, name;
    unsigned error = 0;
    if (!(words >> actionName >> error >> name)) failWith("\"" + line + "\" is no rule");
    const uint32_t action = actionOf(actionName, error);
    const int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) return;
    newest_ = std::max(newest_, number);
    // The library refuses a rule that says what the default says.
    if (action == default_) return;
    const std::vector<scmp_arg_cmp> conditions = conditionsOf(words, line);
    for (const std::vector<scmp_arg_cmp>& group : groupsOf(conditions)) {
      const int result = seccomp_rule_add_array(filter_, action, number, static_cast<unsigned>(group.size()), group.data());
      if (result != -EEXIST) checkLibrary(result, "add \"" + line + "\"");
    }
  }

  static std::vector<scmp_arg_cmp> conditionsOf(std::istringstream& words, const std::string& line) {
    std::vector<scmp_arg_cmp> conditions;
    unsigned index = 0;
    std::string name;
    uint64_t value = 0, second = 0;
    while (!(words >> std::ws).eof()) {
      // Without one of its conditions a rule would be for more calls than it says.
      if (!(words >> index >> name >> value >> second)) failWith("\"" + line + "\" has a condition that is none: numbers go from 0 to 18446744073709551615");
      if (index > 5) failWith("argument " + std::to_string(index) + " is not one of 0 to 5");
      conditions.push_back({index, operatorOf(name), value, second});
    }
    return conditions;
  }

  /** All conditions of a rule must hold; but the library takes one per argument, so that several on one argument become rules of their own (as in runc). */
  static std::vector<std::vector<scmp_arg_cmp>> groupsOf(const std::vector<scmp_arg_cmp>& conditions) {
    unsigned seen[6] = {};
    for (const scmp_arg_cmp& condition : conditions) seen[condition.arg]++;
    if (std::all_of(seen, seen + 6, [](unsigned count) { return count <= 1; })) return {conditions};
    std::vector<std::vector<scmp_arg_cmp>> groups;
    for (const scmp_arg_cmp& condition : conditions) groups.push_back({condition});
    return groups;
  }

  /** Jumps are forward and relative: instructions can be put before a program. */
  void writeNewerStub() const {
#if defined(__x86_64__)
    constexpr uint32_t ARCHITECTURE = AUDIT_ARCH_X86_64;
    constexpr uint32_t NUMBER_END = 0x40000000;  // x32 begins here
#elif defined(__aarch64__)
    constexpr uint32_t ARCHITECTURE = AUDIT_ARCH_AARCH64;
    constexpr uint32_t NUMBER_END = 0xffffffff;
#else
#error "this architecture's system calls are not numbered here yet"
#endif
    const sock_filter stub[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, NUMBER_END, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, static_cast<uint32_t>(newest_), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
    if (::write(STDOUT_FILENO, stub, sizeof stub) != sizeof stub) fail("write the filter");
  }

  scmp_filter_ctx filter_ = nullptr;
  uint32_t default_ = 0;
  bool refusesNew_ = false;
  int newest_ = 0;
};

std::string readAll(int fd) {
  std::string text;
  char part[65536];
  ssize_t count;
  while ((count = retry([&] { return read(fd, part, sizeof part); })) > 0) text.append(part, static_cast<size_t>(count));
  check(static_cast<int>(count), "read the policy");
  return text;
}

}  // namespace

int main() {
  try {
    Compiler compiler;
    std::istringstream lines(readAll(STDIN_FILENO));
    for (std::string line; std::getline(lines, line);) compiler.take(line);
    compiler.write();
    return 0;
  } catch (const Failure& failure) {
    fprintf(stderr, "%s\n", failure.text.c_str());
    return 1;
  }
}
