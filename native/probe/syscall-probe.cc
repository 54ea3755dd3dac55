#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

/** For tests of filters, inside containers: makes one system call with small numbers as arguments and prints its error number, 0 for none. */
int main(int count, char** arguments) {
  long numbers[7] = {};
  for (int index = 1; index < count && index <= 7; index++) numbers[index - 1] = strtol(arguments[index], nullptr, 0);
  errno = 0;
  const long result = syscall(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6]);
  printf("%d\n", result < 0 ? errno : 0);
  return 0;
}
