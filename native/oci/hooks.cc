#include "hooks.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "../base/error.h"
#include "../base/file.h"
#include "../shim/child.h"
#include "fields.h"

namespace {

/** Of one without a timeout: nobody waits for ever. */
constexpr int64_t TIMEOUT_S = 3600;
/** What poll(2) takes: 24 days. */
constexpr int64_t TIMEOUT_MAX_S = INT_MAX / 1000;

Fd fileOf(const std::string& text) {
  Fd file(check(memfd_create("state", MFD_CLOEXEC), "make a file in memory"));
  writeAll(file.get(), text, "the state of the container");
  check(static_cast<int>(lseek(file.get(), 0, SEEK_SET)), "rewind", "the state of the container");
  return file;
}

std::vector<char*> pointersOf(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void execute(const std::string& path, std::vector<std::string> args, const std::vector<std::string>& env, const Fd& state, const Fd& words) {
  beginAnew();
  if (args.empty()) args.push_back(path);
  if (dup2(state.get(), 0) < 0 || dup2(words.get(), 1) < 0 || dup2(words.get(), 2) < 0) _exit(126);
  execve(path.c_str(), pointersOf(args).data(), pointersOf(env).data());
  dprintf(2, "%s: cannot be executed", path.c_str());
  _exit(127);
}

std::string wordsOf(const Fd& words) {
  char part[512];
  const ssize_t count = pread(words.get(), part, sizeof part, 0);
  std::string text(part, count > 0 ? static_cast<size_t>(count) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.empty() ? "" : ": " + text;
}

void runHook(const Json& hook, const std::string& where, const std::string& state) {
  const std::string path = textOf(hook, "path", where);
  if (path.empty() || path[0] != '/') failWith(where + ".path \"" + path + "\" is not absolute", EINVAL);
  const auto args = textsOf(hook, "args", where);
  const auto env = textsOf(hook, "env", where);
  const int64_t timeout = std::min(numberOf(hook, "timeout", where, TIMEOUT_S), TIMEOUT_MAX_S);
  if (timeout <= 0) failWith(where + ".timeout " + std::to_string(timeout) + " is not greater than 0", EINVAL);
  const Fd input = fileOf(state);
  const Fd words = fileOf("");
  const pid_t process = check(fork(), "fork");
  if (process == 0) execute(path, args, env, input, words);
  const Fd ended(check(static_cast<int>(syscall(SYS_pidfd_open, process, 0)), "open process"));
  pollfd end = {ended.get(), POLLIN, 0};
  const bool isLate = retry([&] { return poll(&end, 1, static_cast<int>(timeout * 1000)); }) == 0;
  if (isLate) kill(process, SIGKILL);
  int status = 0;
  check(retry([&] { return waitpid(process, &status, 0); }), "wait for", path);
  if (isLate) failWith(where + " " + path + " took longer than " + std::to_string(timeout) + " s", ETIMEDOUT);
  if (status != 0) failWith(where + " " + path + " failed with status " + std::to_string(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)) + wordsOf(words));
}

}  // namespace

void runHooks(const Json& hooks, const char* point, const std::string& state) {
  for (const Json& hook : itemsOf(hooks, point, "hooks")) runHook(hook, std::string("hooks.") + point, state);
}

std::vector<std::string> runAllHooks(const Json& hooks, const char* point, const std::string& state) {
  std::vector<std::string> failures;
  for (const Json& hook : itemsOf(hooks, point, "hooks")) {
    try {
      runHook(hook, std::string("hooks.") + point, state);
    } catch (const Failure& failure) {
      failures.push_back(failure.text);
    }
  }
  return failures;
}
