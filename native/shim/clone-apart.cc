#include "clone-apart.h"

#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"
#include "child.h"

namespace {

pid_t cloneSibling(unsigned long flags, const Fd& cgroup) {
  clone_args arguments = {};
  arguments.flags = flags | CLONE_PARENT;
  if (cgroup) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(cgroup.get());
  }
  return static_cast<pid_t>(check(static_cast<int>(syscall(SYS_clone3, &arguments, sizeof arguments)), "create namespaces"));
}

[[noreturn]] void runBetween(unsigned long flags, const Fd& cgroup, const Fd& report, const Fd& number, const std::function<void()>& prepare, const std::function<void()>& function) {
  try {
    prepare();
    const pid_t process = cloneSibling(flags, cgroup);
    if (process == 0) function();
    else check(static_cast<int>(write(number.get(), &process, sizeof process)), "report", "the process");
    _exit(0);
  } catch (const Failure& failure) {
    reportFailure(report.get(), failure.text);
  }
}

}  // namespace

pid_t cloneApart(unsigned long flags, const Fd& cgroup, const Fd& report, const std::function<void()>& prepare, const std::function<void()>& function) {
  Pipe number = makePipe();
  const pid_t between = check(fork(), "fork");
  if (between == 0) runBetween(flags, cgroup, report, number.write, prepare, function);
  number.write.reset();
  pid_t process = 0;
  const ssize_t count = retry([&] { return read(number.read.get(), &process, sizeof process); });
  int status = 0;
  check(retry([&] { return waitpid(between, &status, 0); }), "wait for", "the process between");
  return count == sizeof process ? process : 0;
}
