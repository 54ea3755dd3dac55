#include "shim.h"

#include <sched.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "../base/error.h"
#include "../base/file.h"
#include "../base/json-text.h"
#include "../base/monotonic.h"
#include "../base/pass-descriptor.h"
#include "../netlink/links.h"
#include "bundle.h"
#include "cgroups.h"
#include "container.h"
#include "control.h"
#include "exec.h"
#include "exit-record.h"
#include "log.h"
#include "network.h"
#include "other-runtime.h"
#include "shared-namespaces.h"
#include "terminal.h"

namespace {

/** After the container's end its output pipes are closed by the kernel; this bounds the wait for one that was passed out of the container. */
constexpr int DRAIN_MS = 1000;

/** Parts of a stream that are read at the program's end, whoever has not taken what came before: more than a pipe holds, and an end for who writes on. */
constexpr int REST_PARTS_MAX = 64;

/** How long callers that were announced are waited for. */
constexpr uint64_t ATTACH_NS = 3000000000ULL;

/** How long attachers may take to read the rest when the program has ended. */
constexpr int FAREWELL_MS = 10000;

/** How long a shim that cannot keep a record waits for someone to tell. */
constexpr int LINGER_MS = 5000;

/** All that the resident shim keeps of its settings. */
struct Belongings {
  std::string socketPath;
  std::string outOfMemoryFile;
  /** Of one on a bridge. */
  NetworkSettings network;
  std::vector<std::string> cgroups;
  OtherRuntimeSettings otherRuntime;
  /** Others of the container do not end with its first process. */
  bool isAmongOthers = false;
};

/** Of two times to wait, where -1 is for ever. */
int sooner(int oneMs, int otherMs) { return oneMs < 0 || (otherMs >= 0 && otherMs < oneMs) ? otherMs : oneMs; }

class Shim {
 public:
  Shim(Belongings belongings, const Settings& settings, Fd& listener)
      : belongings_(std::move(belongings)),
        record_(settings.folder),
        terminal_(settings.terminal),
        attachments_(settings.terminal.isTerminal),
        control_(std::move(listener), {[this](int signal) { return sendSignal(signal); }, [this](unsigned short rows, unsigned short columns) { resize(rows, columns); },
                                       [this](Fd socket, AttachOptions options) { attachments_.add(std::move(socket), options); }}) {
    if (!settings.log.path.empty()) log_.emplace(settings.log);
  }

  /** Those who asked to be attached before the start shall miss nothing, nor who asked for a program whose end is recorded nowhere. */
  void awaitCallers(unsigned attachers, bool isRecorded) {
    const uint64_t deadline = monotonicNs() + ATTACH_NS;
    const size_t callers = isRecorded ? attachers : attachers + 1;
    while ((attachments_.countSeen() < attachers || control_.countSeen() < callers) && monotonicNs() < deadline) {
      std::vector<pollfd> list;
      control_.watch(list);
      if (poll(list.data(), list.size(), 1000) >= 0) control_.serve();
    }
  }

  void adopt(Child child) {
    child_.emplace(std::move(child));
    if (child_->output) output_.emplace(StreamKind::output, std::move(child_->output));
    if (child_->errors) errors_.emplace(StreamKind::errors, std::move(child_->errors));
    if (!child_->terminal) attachments_.setInput(std::move(child_->input), terminal_.isInputOnce);
  }

  /** Serves until the process has ended and its output is in the log. */
  void run() {
    while (!status_) turn(-1);
    for (std::optional<OutputStream>* stream : {&output_, &errors_}) takeRest(*stream);
    const uint64_t deadline = monotonicNs() + DRAIN_MS * 1000000ULL;
    while ((output_ || errors_) && monotonicNs() < deadline) turn(DRAIN_MS);
  }

  void finish() {
    if (!reason_.empty()) {
      failWithReason(reason_);
      return;
    }
    const int code = WIFSIGNALED(*status_) ? 128 + WTERMSIG(*status_) : WEXITSTATUS(*status_);
    tell("exited " + record_.writeExit({code, hadOutOfMemory(belongings_.outOfMemoryFile)}, child_->process, startedAtNs_));
    attachments_.finish(FAREWELL_MS);
  }

  void failWithReason(const std::string& reason) { tell("failed " + record_.writeFailure(inBrief(reason))); }

  void tearDown() {
    removeFromOtherRuntime();
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
    if (!child_ || status_) return ESRCH;
    if (!belongings_.otherRuntime.container.empty()) return killBelow(belongings_.otherRuntime, signal);
    return syscall(SYS_pidfd_send_signal, child_->processFd.get(), signal, nullptr, 0) < 0 ? errno : 0;
  }

  /** What it leaves is in its own root and the daemon's cgroups, and goes with the next start or removal. */
  void removeFromOtherRuntime() {
    const OtherRuntimeSettings& runtime = belongings_.otherRuntime;
    if (runtime.bundle.empty()) return;
    try {
      if (runtime.container.empty()) Bundle(runtime).remove();
      else removeBelow(runtime);
    } catch (const Failure&) {
      Bundle(runtime).remove();
    }
  }

  /** The namespace dies later, in the background; its link would answer for an address that may be given away by then. */
  void removeLink() {
    if (belongings_.network.mode.empty()) return;
    try {
      Netlink netlink;
      deleteLink(netlink, belongings_.network.hostInterface);
    } catch (const Failure&) {
      // The kernel removes it with the namespace.
    }
  }

  void resize(unsigned short rows, unsigned short columns) {
    terminal_.rows = rows;
    terminal_.columns = columns;
    if (master_) resizeTerminal(master_.get(), rows, columns);
  }

  /** The child has opened its terminal, or failed before. */
  void takeTerminal() {
    Fd master = receiveDescriptor(child_->terminal.get());
    child_->terminal.reset();
    if (!master) return;
    master_ = duplicate(master);
    resize(terminal_.rows, terminal_.columns);
    attachments_.setInput(terminal_.hasInput ? duplicate(master) : Fd(), terminal_.isInputOnce);
    output_.emplace(StreamKind::output, std::move(master));
  }

  Log* log() { return log_ ? &*log_ : nullptr; }

  /** What the program wrote is in its pipes: the log gets it, and attachers as long as they are waited for. */
  void takeRest(std::optional<OutputStream>& stream) {
    for (int part = 0; stream && part < REST_PARTS_MAX; part++) {
      if (!stream->drain(log(), attachments_)) stream.reset();
    }
  }

  static Fd duplicate(const Fd& fd) { return Fd(check(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0), "dup")); }

  void turn(int timeoutMs) {
    std::vector<pollfd> list;
    const auto add = [&](int fd) { list.push_back({fd, POLLIN, 0}); };
    if (!status_) add(child_->processFd.get());
    if (child_->report) add(child_->report.get());
    if (child_->terminal) add(child_->terminal.get());
    const bool isReading = attachments_.canTake();
    if (isReading && output_) add(output_->fd());
    if (isReading && errors_) add(errors_->fd());
    const size_t controlFrom = list.size();
    const int controlMs = control_.watch(list);
    const size_t controlTo = list.size();
    const int attachmentsMs = attachments_.watch(list);
    if (poll(list.data(), list.size(), sooner(timeoutMs, sooner(controlMs, attachmentsMs))) < 0) return;
    const auto isReady = [&](int fd) {
      for (const pollfd& entry : list) {
        if (entry.fd == fd) return entry.revents != 0;
      }
      return false;
    };
    if (child_->terminal && isReady(child_->terminal.get())) takeTerminal();
    if (child_->report && isReady(child_->report.get())) readReport();
    if (output_ && isReady(output_->fd()) && !output_->drain(log(), attachments_)) output_.reset();
    if (errors_ && isReady(errors_->fd()) && !errors_->drain(log(), attachments_)) errors_.reset();
    attachments_.serve();
    const auto isAsked = [](const pollfd& entry) { return entry.revents != 0; };
    if (controlMs >= 0 || std::any_of(list.data() + controlFrom, list.data() + controlTo, isAsked)) control_.serve();
    if (!status_ && isReady(child_->processFd.get())) reap();
  }

  void readReport() {
    char part[512];
    const ssize_t count = retry([&] { return read(child_->report.get(), part, sizeof part); });
    if (count > 0) {
      reason_.append(part, static_cast<size_t>(count));
      return;
    }
    child_->report.reset();
    if (!reason_.empty()) return;
    startedAtNs_ = nowNs();
    control_.setState("running " + std::to_string(child_->process) + " " + std::to_string(startedAtNs_));
    announceNetwork(belongings_.network);
  }

  void reap() {
    while (child_->report) readReport();
    int status = 0;
    if (retry([&] { return waitpid(child_->process, &status, 0); }) == child_->process) status_ = status;
    if (belongings_.isAmongOthers) killMembers(belongings_.cgroups);
  }

  Belongings belongings_;
  ExitRecord record_;
  std::optional<Log> log_;
  TerminalSettings terminal_;
  Attachments attachments_;
  Control control_;
  std::optional<Child> child_;
  Fd master_;
  std::optional<OutputStream> output_;
  std::optional<OutputStream> errors_;
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
  OtherRuntimeSettings runtime = settings.otherRuntime;
  runtime.config.clear();
  // A program that joins a container leaves everything to it, but for its own bundle.
  if (settings.joinedProcess != 0) {
    runtime.container.clear();
    return {settings.socketPath, settings.outOfMemoryFile, {}, {}, std::move(runtime), false};
  }
  Belongings kept = {settings.socketPath, settings.outOfMemoryFile, settings.network.mode == "bridge" ? settings.network : NetworkSettings(), {}, std::move(runtime), false};
  for (const CgroupSettings& group : settings.cgroups) kept.cgroups.push_back(group.path);
  kept.isAmongOthers = ((settings.namespacesOfHost | sharedKinds(settings)) & CLONE_NEWPID) != 0;
  return kept;
}

Child begin(const Settings& settings) {
  if (settings.otherRuntime.path.empty()) return settings.joinedProcess == 0 ? launch(settings) : join(settings);
  return settings.joinedProcess == 0 ? launchBelow(settings) : joinBelow(settings);
}

/** Takes the listener once the shim can keep a record. */
void live(Settings& settings, Fd& listener) {
  leaveTheDaemon();
  Shim shim(keep(settings), settings, listener);
  try {
    shim.awaitCallers(settings.attachersExpected, settings.joinedProcess == 0);
    shim.adopt(begin(settings));
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
  appendJson(text, inBrief(reason));
  pollfd caller = {listener.get(), POLLIN, 0};
  if (poll(&caller, 1, LINGER_MS) <= 0) return;
  Control control(std::move(listener), {[](int) { return ESRCH; }, [](unsigned short, unsigned short) {}, [](Fd, AttachOptions) {}});
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
