#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <vector>

extern char** environ;

/**
 * For benches: `stopwatch PROGRAM ARGS... [-- PROGRAM ARGS...]...` runs the programs one after the other without standard streams and prints how many microseconds
 * that took: without a shell's or Node's part in it.
 */
int main(int, char** arguments) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int standard = 0; standard <= 2; standard++) posix_spawn_file_actions_addopen(&actions, standard, "/dev/null", O_RDWR, 0);
  timespec begin = {}, end = {};
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (char** word = arguments + 1; *word != nullptr;) {
    std::vector<char*> program;
    while (*word != nullptr && strcmp(*word, "--") != 0) program.push_back(*word++);
    if (*word != nullptr) word++;
    program.push_back(nullptr);
    pid_t process = 0;
    int status = 0;
    if (posix_spawn(&process, program[0], &actions, nullptr, program.data(), environ) != 0 || waitpid(process, &status, 0) != process || status != 0) {
      fprintf(stderr, "stopwatch: %s %s failed\n", program[0], program.size() > 2 ? program[1] : "");
      return 1;
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("%ld\n", (end.tv_sec - begin.tv_sec) * 1000000L + (end.tv_nsec - begin.tv_nsec) / 1000);
  return 0;
}
