#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include <sys/wait.h>
#include <unistd.h>

/**
 * swarm-init: the first process of a container that asked for one. Executes the program in a process of its own, passes every signal on to it, reaps what
 * the container's processes leave behind, and ends as the program does.
 *
 *   /sbin/docker-init -- PROGRAM [ARGUMENT...]
 */
namespace {

/** What the shell says of a program that cannot be found or executed. */
constexpr int NOT_FOUND = 127;
constexpr int NOT_EXECUTABLE = 126;

/** Signals of one's own errors end this process; those of job control must not stop it. */
bool isPassedOn(int number) {
  for (const int own : {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGCHLD}) {
    if (number == own) return false;
  }
  return true;
}

int codeOf(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

[[noreturn]] void execute(char** program, const sigset_t& mask) {
  // A process group of its own, which has the terminal: its job control works as without us.
  setpgid(0, 0);
  signal(SIGTTOU, SIG_IGN);
  tcsetpgrp(STDIN_FILENO, getpid());
  signal(SIGTTOU, SIG_DFL);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  execvp(program[0], program);
  fprintf(stderr, "init: cannot execute %s: %s\n", program[0], strerror(errno));
  _exit(errno == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
}

/** Reaps everybody who has ended; true when the program is one of them. */
bool reap(pid_t program, int& code) {
  bool hasEnded = false;
  int status = 0;
  for (pid_t process; (process = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (process != program) continue;
    code = codeOf(status);
    hasEnded = true;
  }
  return hasEnded;
}

}  // namespace

int main(int count, char** arguments) {
  const int first = count > 1 && strcmp(arguments[1], "--") == 0 ? 2 : 1;
  if (first >= count) {
    fputs("usage: docker-init -- PROGRAM [ARGUMENT...]\n", stderr);
    return 2;
  }
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t program = fork();
  if (program < 0) {
    perror("init: cannot fork");
    return 1;
  }
  if (program == 0) execute(arguments + first, before);
  int code = 0;
  while (!reap(program, code)) {
    const int number = sigwaitinfo(&all, nullptr);
    if (number > 0 && isPassedOn(number)) kill(program, number);
  }
  return code;
}
