#include "apart.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "../base/error.h"
#include "../base/file.h"
#include "child.h"

namespace {

std::string readReason(int report) {
  std::string reason;
  char part[512];
  for (ssize_t count; (count = retry([&] { return read(report, part, sizeof part); })) > 0;) reason.append(part, static_cast<size_t>(count));
  return reason;
}

[[noreturn]] void runChild(const std::function<void()>& function, const Fd& report) {
  try {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    beginAnew();
    function();
    _exit(0);
  } catch (const Failure& failure) {
    reportFailure(report.get(), failure.text);
  }
}

}  // namespace

void runApart(const char* what, int timeoutMs, const std::function<void()>& function) {
  Pipe report = makePipe();
  const pid_t process = check(fork(), "fork");
  if (process == 0) {
    report.read.reset();
    runChild(function, report.write);
  }
  report.write.reset();
  const Fd ended(check(static_cast<int>(syscall(SYS_pidfd_open, process, 0)), "open process"));
  pollfd end = {ended.get(), POLLIN, 0};
  const bool isLate = retry([&] { return poll(&end, 1, timeoutMs); }) == 0;
  if (isLate) kill(process, SIGKILL);
  int status = 0;
  check(retry([&] { return waitpid(process, &status, 0); }), "wait for", what);
  if (isLate) failWith(std::string(what) + " took longer than " + std::to_string(timeoutMs / 1000) + " s", ETIMEDOUT);
  const std::string reason = status == 0 ? "" : readReason(report.read.get());
  if (!reason.empty()) failWith(reason);
  if (status != 0) failWith(std::string(what) + (WIFSIGNALED(status) ? " was ended by signal " + std::to_string(WTERMSIG(status)) : " failed with status " + std::to_string(WEXITSTATUS(status))));
}
