#include "shim.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "../base/error.h"
#include "../base/file.h"
#include "../netlink/links.h"
#include "cgroups.h"
#include "container.h"
#include "control.h"
#include "exit-record.h"
#include "json.h"
#include "log.h"

namespace {

/** After the container's end its output pipes are closed by the kernel; this bounds the wait for one that was passed out of the container. */
constexpr int DRAIN_MS = 1000;

/** How long a shim that cannot keep a record waits for someone to tell. */
constexpr int LINGER_MS = 5000;

/** All that the resident shim keeps of its settings. */
struct Belongings {
  std::string socketPath;
  std::string outOfMemoryFile;
  std::string hostInterface;
  std::vector<std::string> cgroups;
};

class Shim {
 public:
  Shim(Belongings belongings, const std::string& folder, LogSettings log, Fd& listener)
      : belongings_(std::move(belongings)), record_(folder), log_(std::move(log)), control_(std::move(listener), [this](int signal) { return sendSignal(signal); }) {}

  void adopt(Container container) {
    container_.emplace(std::move(container));
    output_.emplace("stdout", std::move(container_->output));
    errors_.emplace("stderr", std::move(container_->errors));
  }

  /** Serves until the process has ended and its output is in the log. */
  void run() {
    while (!status_) turn(-1);
    const uint64_t deadline = nowNs() + DRAIN_MS * 1000000ULL;
    while ((output_ || errors_) && nowNs() < deadline) turn(DRAIN_MS);
  }

  void finish() {
    if (!reason_.empty()) {
      failWithReason(reason_);
      return;
    }
    const int code = WIFSIGNALED(*status_) ? 128 + WTERMSIG(*status_) : WEXITSTATUS(*status_);
    tell("exited " + record_.writeExit({code, hadOutOfMemory(belongings_.outOfMemoryFile)}, container_->process, startedAtNs_));
  }

  void failWithReason(const std::string& reason) { tell("failed " + record_.writeFailure(reason)); }

  void tearDown() {
    removeCgroups(belongings_.cgroups);
    removeLink();
    unlink(belongings_.socketPath.c_str());
  }

 private:
  void tell(std::string state) {
    control_.setState(std::move(state));
    control_.serve();
  }

  int sendSignal(int signal) {
    if (!container_ || status_) return ESRCH;
    return syscall(SYS_pidfd_send_signal, container_->processFd.get(), signal, nullptr, 0) < 0 ? errno : 0;
  }

  /** The namespace dies later, in the background; its link would answer for an address that may be given away by then. */
  void removeLink() {
    if (belongings_.hostInterface.empty()) return;
    try {
      Netlink netlink;
      deleteLink(netlink, belongings_.hostInterface);
    } catch (const Failure&) {
      // The kernel removes it with the namespace.
    }
  }

  void turn(int timeoutMs) {
    std::vector<pollfd> list;
    const auto add = [&](int fd) { list.push_back({fd, POLLIN, 0}); };
    if (!status_) add(container_->processFd.get());
    if (container_->report) add(container_->report.get());
    if (output_) add(output_->fd());
    if (errors_) add(errors_->fd());
    control_.watch(list);
    if (poll(list.data(), list.size(), timeoutMs) < 0) return;
    const auto isReady = [&](int fd) {
      for (const pollfd& entry : list) {
        if (entry.fd == fd) return entry.revents != 0;
      }
      return false;
    };
    if (container_->report && isReady(container_->report.get())) readReport();
    if (output_ && isReady(output_->fd()) && !output_->drain(log_)) output_.reset();
    if (errors_ && isReady(errors_->fd()) && !errors_->drain(log_)) errors_.reset();
    control_.serve();
    if (!status_ && isReady(container_->processFd.get())) reap();
  }

  void readReport() {
    char part[512];
    const ssize_t count = retry([&] { return read(container_->report.get(), part, sizeof part); });
    if (count > 0) {
      reason_.append(part, static_cast<size_t>(count));
      return;
    }
    container_->report.reset();
    if (!reason_.empty()) return;
    startedAtNs_ = nowNs();
    control_.setState("running " + std::to_string(container_->process) + " " + std::to_string(startedAtNs_));
  }

  void reap() {
    while (container_->report) readReport();
    int status = 0;
    if (retry([&] { return waitpid(container_->process, &status, 0); }) == container_->process) status_ = status;
  }

  Belongings belongings_;
  ExitRecord record_;
  Log log_;
  Control control_;
  std::optional<Container> container_;
  std::optional<LogStream> output_;
  std::optional<LogStream> errors_;
  std::optional<int> status_;
  std::string reason_;
  uint64_t startedAtNs_ = 0;
};

void leaveTheDaemon() {
  setsid();
  prctl(PR_SET_NAME, "swarm-shim");
  signal(SIGCHLD, SIG_DFL);
  // A machine that shuts down signals everyone: the program shall end by itself, and its end be recorded.
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) signal(number, SIG_IGN);
  check(chdir("/"), "chdir");
  const Fd null = openFile("/dev/null", O_RDWR);
  for (int standard = 0; standard <= 2; standard++) check(dup2(null.get(), standard), "dup");
}

Belongings keep(const Settings& settings) {
  Belongings kept = {settings.socketPath, settings.outOfMemoryFile, settings.network.mode == "bridge" ? settings.network.hostInterface : "", {}};
  for (const CgroupSettings& group : settings.cgroups) kept.cgroups.push_back(group.path);
  return kept;
}

/** Takes the listener once the shim can keep a record. */
void live(Settings& settings, Fd& listener) {
  leaveTheDaemon();
  Shim shim(keep(settings), settings.folder, settings.log, listener);
  try {
    shim.adopt(launch(settings));
    settings = Settings();
    malloc_trim(0);
    shim.run();
    shim.finish();
  } catch (const Failure& failure) {
    shim.failWithReason(failure.text);
  }
  shim.tearDown();
}

void tellDirectly(Fd listener, const std::string& reason) {
  std::string text = "failed {\"error\":\"";
  appendJson(text, reason);
  pollfd caller = {listener.get(), POLLIN, 0};
  if (poll(&caller, 1, LINGER_MS) <= 0) return;
  Control control(std::move(listener), nullptr);
  control.setState(text + "\"}");
  control.serve();
}

}  // namespace

void runShim(Settings settings, Fd listener) {
  const std::string socketPath = settings.socketPath;
  try {
    live(settings, listener);
  } catch (const Failure& failure) {
    // Not even the folder could be written. The daemon is told directly; should it not come, the closed socket without a record says as much.
    if (listener) tellDirectly(std::move(listener), failure.text);
    unlink(socketPath.c_str());
    _exit(1);
  }
  _exit(0);
}
