#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include "../base/error.h"
#include "../base/file.h"
#include "archive-error.h"
#include "layer-writer.h"
#include "pipeline.h"

namespace {

constexpr const char* USAGE = "usage: swarm-unpack FOLDER   (started by swarmd; requests come through standard input: unpack ID ARCHIVE LAYER, sync ID FILE)\n";
/** Answers are written in one piece, which a pipe keeps together up to 4096 bytes. */
constexpr size_t ANSWER_MAX = 4000;
/** Of one text in an answer: all of them fit, however many characters JSON makes longer. */
constexpr size_t QUOTED_MAX = 700;

std::string quoted(const std::string& text) {
  std::string json = "\"";
  for (char character : text) {
    if (json.size() + 7 > QUOTED_MAX) break;
    const auto code = static_cast<unsigned char>(character);
    char escaped[8];
    snprintf(escaped, sizeof escaped, "\\u%04x", code);
    if (character == '"' || character == '\\') json += std::string("\\") + character;
    else if (code < 0x20) json += escaped;
    else json += character;
  }
  return json + "\"";
}

/** `ID done JSON`, `ID bad TEXT` when the archive is at fault, `ID failed TEXT` when this host is. */
void answer(const std::string& id, const std::string& outcome, std::string text) {
  for (char& character : text) {
    if (character == '\n' || character == '\r') character = ' ';
  }
  if (text.size() > ANSWER_MAX - id.size() - 10) text.resize(ANSWER_MAX - id.size() - 10);
  writeAll(STDOUT_FILENO, id + " " + outcome + " " + text + "\n", "standard output");
}

std::string unpack(const std::string& archivePath, const std::string& layer) {
  const Fd archive = openFile(archivePath, O_RDONLY);
  posix_fadvise(archive.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  DigestedSource source(readDescriptor(archive.get()));
  TarReader reader(source);
  LayerWriter writer(layer);
  TarEntry entry;
  while (reader.next(entry)) writer.add(entry, reader);
  const LayerSummary summary = writer.finish();
  std::string json = "{\"diffId\":\"sha256:" + source.digest() + "\",\"entries\":" + std::to_string(summary.entries) + ",\"sizeBytes\":" + std::to_string(summary.size);
  json += ",\"dropped\":[";
  for (size_t i = 0; i < summary.dropped.size(); i++) json += (i == 0 ? "" : ",") + quoted(summary.dropped[i].substr(0, 300));
  return json + "]}";
}

void syncFileSystem(const std::string& path) {
  const Fd file = openFile(path, O_RDONLY);
  check(syncfs(file.get()), "sync", path);
}

/** Ends this process with its parent, also when that has ended already. */
void endWith(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
}

/** One request, in a process of its own: a failure, however bad, is that request's alone. */
[[noreturn]] void serve(const std::string& id, const std::string& verb, const std::string& first, const std::string& second) {
  // Blocks are as large as this and come and go: they shall not each be mapped and faulted in.
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  umask(0);
  try {
    if (verb == "sync") syncFileSystem(first);
    answer(id, "done", verb == "sync" ? "{}" : unpack(first, second));
  } catch (const BadArchive& bad) {
    answer(id, "bad", bad.text);
  } catch (const Failure& failure) {
    answer(id, "failed", failure.text);
  }
  _exit(0);
}

class Server {
 public:
  void run() {
    std::string text;
    char part[4096];
    for (;;) {
      const ssize_t count = retry([&] { return read(STDIN_FILENO, part, sizeof part); });
      if (count < 0) fail("read", "standard input");
      if (count == 0) return;
      text.append(part, static_cast<size_t>(count));
      for (size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) accept(text.substr(0, end));
    }
  }

 private:
  /** `unpack ID ARCHIVE LAYER` or `sync ID FILE`; names are swarmd's own and have no space in them. */
  void accept(const std::string& line) {
    std::string words[4];
    size_t count = 0;
    for (size_t begin = 0; count < 4 && begin <= line.size(); count++) {
      const size_t space = std::min(line.find(' ', begin), line.size());
      words[count] = line.substr(begin, space - begin);
      begin = space + 1;
    }
    const bool isUnpack = count == 4 && words[0] == "unpack";
    if (!isUnpack && !(count == 3 && words[0] == "sync")) failWith("not a request: " + line);
    // The first child watches the second, and speaks for it when it dies.
    const pid_t server = getpid();
    if (check(fork(), "fork") > 0) return;
    endWith(server);
    signal(SIGCHLD, SIG_DFL);
    const pid_t watcher = getpid();
    const pid_t worker = fork();
    if (worker == 0) {
      endWith(watcher);
      serve(words[1], words[0], words[2], words[3]);
    }
    int status = 0;
    if (worker < 0) answer(words[1], "failed", "fork: " + std::string(strerror(errno)));
    else if (retry([&] { return waitpid(worker, &status, 0); }) == worker && status != 0) answer(words[1], "failed", "the unpacker died with status " + std::to_string(status));
    _exit(0);
  }
};

}  // namespace

/** Unpacks layers below one folder until its standard input closes: then it and all that it does end at once. */
int main(int count, char** arguments) {
  if (count != 2) {
    fputs(USAGE, stderr);
    return 2;
  }
  try {
    check(chdir(arguments[1]), "enter", arguments[1]);
    // Children are not waited for.
    signal(SIGCHLD, SIG_IGN);
    Server().run();
    return 0;
  } catch (const Failure& failure) {
    fprintf(stderr, "swarm-unpack: %s\n", failure.text.c_str());
    return 1;
  }
}
