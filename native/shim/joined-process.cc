#include "joined-process.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"

/** Only after the descriptor is open does the number stay this process's. */
Fd openJoined(pid_t number, const std::string& group) {
  Fd process(static_cast<int>(syscall(SYS_pidfd_open, number, 0)));
  if (!process) failWith("the container has ended", ESRCH);
  std::string groups;
  char part[4096];
  const Fd file(open(("/proc/" + std::to_string(number) + "/cgroup").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) failWith("the container has ended", ESRCH);
  for (ssize_t count; (count = retry([&] { return read(file.get(), part, sizeof part); })) > 0;) groups.append(part, static_cast<size_t>(count));
  if (groups.find(group) == std::string::npos) failWith("the container has ended", ESRCH);
  return process;
}

Fd openJoined(const Settings& settings) { return openJoined(settings.joinedProcess, settings.joinedGroup); }
