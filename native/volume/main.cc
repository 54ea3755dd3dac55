#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "../base/error.h"
#include "../base/file.h"
#include "../base/resolve.h"
#include "host-mount.h"
#include "tree-copy.h"
#include "tree-walk.h"

namespace {

using Words = std::vector<std::string>;

constexpr const char* USAGE =
    "usage: swarm-volume copy PATH FOLDER LAYER…   |  size FOLDER  |  remove FOLDER  |  mount TYPE DEVICE FOLDER <OPTIONS  |  unmount FOLDER   (started by swarmd)\n";

/** Shows the layers as one root at `place`, to this process alone; the uppermost is the first. */
void showImage(const Words& layers, const std::string& place) {
  check(unshare(CLONE_NEWNS), "unshare mount namespace");
  check(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make / a private mount");
  if (layers.size() == 1) {
    check(mount(layers[0].c_str(), place.c_str(), nullptr, MS_BIND, nullptr), "bind mount", layers[0]);
    return;
  }
  std::vector<Fd> open;
  std::string options = "lowerdir=";
  for (const std::string& layer : layers) {
    open.push_back(openFile(layer, O_PATH | O_DIRECTORY));
    if (open.size() > 1) options += ':';
    options += "/proc/self/fd/" + std::to_string(open.back().get());
  }
  check(mount("overlay", place.c_str(), "overlay", MS_RDONLY, options.c_str()), "mount overlay at", place);
}

/** What a path names for a process whose root directory is `root`: no link leads out. Empty when there is nothing. */
Fd openInImage(int root, const std::string& path) {
  Fd found(openResolved(root, path, O_RDONLY | O_DIRECTORY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS));
  if (!found && errno == ENOTDIR) failWith("cannot mount volume over existing file, file exists in the image: " + path, ENOTDIR);
  if (!found && errno != ENOENT) fail("open in the image", path);
  return found;
}

/** copy PATH FOLDER LAYER…: what the image has at PATH, its directory's own owner and mode included. */
void copyFromImage(const Words& words) {
  const std::string& folder = words[2];
  const Fd target = openFile(folder, O_RDONLY | O_DIRECTORY);
  const std::string place = folder.substr(0, folder.rfind('/'));
  showImage(Words(words.begin() + 3, words.end()), place);
  const Fd root = openFile(place, O_PATH | O_DIRECTORY);
  const Fd source = openInImage(root.get(), words[1]);
  if (!source) return;
  const bool hasContent = copyTree(source.get(), target.get());
  copyAttributes(source.get(), target.get());
  // One call for all that was written; without, the directory alone is to be kept.
  check(hasContent ? syncfs(target.get()) : fsync(target.get()), "sync", folder);
}

/** All of standard input: what nobody shall see among the arguments. */
std::string readInput() {
  std::string text;
  char part[4096];
  for (;;) {
    const ssize_t count = retry([&] { return read(STDIN_FILENO, part, sizeof part); });
    if (count < 0) fail("read", "standard input");
    if (count == 0) return text;
    text.append(part, static_cast<size_t>(count));
  }
}

bool run(const Words& words) {
  const std::string& verb = words.empty() ? "" : words[0];
  if (verb == "copy" && words.size() > 3) copyFromImage(words);
  else if (verb == "size" && words.size() == 2) printf("%llu\n", static_cast<unsigned long long>(sizeOfTree(words[1])));
  else if (verb == "remove" && words.size() == 2) removeTree(words[1]);
  else if (verb == "mount" && words.size() == 4) mountOnHost(words[1], words[2], readInput(), words[3]);
  else if (verb == "unmount" && words.size() == 2) unmountFromHost(words[1]);
  else return false;
  return true;
}

/** A deep tree takes two descriptors for each of its levels. */
void allowDescriptors() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) fail("read", "the limit of descriptors");
  limit.rlim_cur = limit.rlim_max;
  check(setrlimit(RLIMIT_NOFILE, &limit), "raise", "the limit of descriptors");
}

}  // namespace

/** One thing that is to be done to one volume; the failure's sentence goes to standard error. */
int main(int count, char** arguments) {
  try {
    // What the daemon does not wait for any more shall not go on behind it.
    check(prctl(PR_SET_PDEATHSIG, SIGKILL), "set parent death signal");
    umask(0);
    allowDescriptors();
    if (run(Words(arguments + 1, arguments + count))) return 0;
    fputs(USAGE, stderr);
    return 2;
  } catch (const Failure& failure) {
    fprintf(stderr, "%s\n", failure.text.c_str());
    return 1;
  }
}
