#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "../base/error.h"
#include "device-filter.h"
#include "sealed-self.h"
#include "spawner.h"

namespace {

constexpr const char* USAGE = "usage: swarm-shim spawner [--device-filter CGROUP RULES] [CGROUP-FILE...]   (started by swarmd, with a socket as descriptor 3)\n";

std::vector<std::string> splitAt(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0, end; begin <= text.size(); begin = end + 1) {
    end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
  }
  return parts;
}

}  // namespace

/** `swarm-shim spawner`: serves requests on descriptor 3 until it closes, after filtering devices below the one cgroup and entering the others. */
int main(int count, char** arguments) {
  std::vector<std::string> words(arguments + 1, arguments + count);
  if (words.empty() || words[0] != "spawner") {
    fputs(USAGE, stderr);
    return 2;
  }
  words.erase(words.begin());
  try {
    runFromSealedCopy(arguments);
    if (words.size() >= 3 && words[0] == "--device-filter") {
      installDeviceFilter(words[1], splitAt(words[2], ','));
      words.erase(words.begin(), words.begin() + 3);
    }
    serveSpawner(Fd(3), words);
    return 0;
  } catch (const Failure& failure) {
    fprintf(stderr, "swarm-shim: %s\n", failure.text.c_str());
    return 1;
  }
}
