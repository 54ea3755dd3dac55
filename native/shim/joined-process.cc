#include "joined-process.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/error.h"
#include "../base/file.h"

/** Only after the descriptor is open does the number stay this process's. */
Fd openJoined(const Settings& settings) {
  const std::string number = std::to_string(settings.joinedProcess);
  Fd process(static_cast<int>(syscall(SYS_pidfd_open, settings.joinedProcess, 0)));
  if (!process) failWith("the container has ended", ESRCH);
  std::string groups;
  char part[4096];
  const Fd file(open(("/proc/" + number + "/cgroup").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) failWith("the container has ended", ESRCH);
  for (ssize_t count; (count = retry([&] { return read(file.get(), part, sizeof part); })) > 0;) groups.append(part, static_cast<size_t>(count));
  if (groups.find(settings.joinedGroup) == std::string::npos) failWith("the container has ended", ESRCH);
  return process;
}
