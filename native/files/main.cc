#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "../base/error.h"
#include "../base/file.h"
#include "../shim/identity.h"
#include "../base/json-text.h"
#include "../shim/rootfs.h"
#include "../shim/settings.h"
#include "../shim/user-namespace.h"
#include "../unpack/archive-error.h"
#include "../unpack/decompressor.h"
#include "extraction.h"
#include "inode.h"
#include "layer-changes.h"
#include "refusal.h"
#include "tree-archive.h"
#include "view.h"

namespace {

constexpr const char* USAGE =
    "usage: swarm-files stat PATH | read PATH NAME | write PATH KEEPS-KINDS [USER] | export | layer | changes | sizes FOLDER... | check-maps\n"
    "(started by swarmd: the container comes and answers go through descriptor 3, archives through standard input and output)\n";
constexpr int CONTROL = 3;
constexpr uint32_t REQUEST_SIZE_MAX = 4U << 20;
constexpr size_t DATABASE_SIZE_MAX = 4U << 20;

std::string quoted(std::string_view text) {
  std::string json = "\"";
  appendJson(json, text);
  return json + "\"";
}

/** Lines of JSON: `ready` before content flows, `done` after all of it, or what went wrong. */
void answer(const std::string& fields) { writeAll(CONTROL, "{" + fields + "}\n", "the daemon's socket"); }

void answerEnd(const char* type, const std::string& text) { answer("\"type\":\"" + std::string(type) + "\",\"text\":" + quoted(inBrief(text))); }

void readExactly(char* data, size_t size) {
  while (size > 0) {
    const ssize_t count = retry([&] { return read(CONTROL, data, size); });
    if (count < 0) fail("read", "the request");
    if (count == 0) failWith("the request has no end", EINVAL);
    data += count;
    size -= static_cast<size_t>(count);
  }
}

/** The same records as a shim's (shim/settings.h). */
Settings readSettings() {
  unsigned char head[4];
  readExactly(reinterpret_cast<char*>(head), sizeof head);
  const uint32_t size = head[0] | head[1] << 8 | head[2] << 16 | static_cast<uint32_t>(head[3]) << 24;
  if (size > REQUEST_SIZE_MAX) failWith("request of " + std::to_string(size) + " bytes", EMSGSIZE);
  std::string request(size, '\0');
  readExactly(request.data(), size);
  return parseRecords(request);
}

std::string describe(const Fd& node, const std::string& path) {
  const struct stat info = infoOf(node, path);
  std::string fields = "\"type\":\"ready\",\"mode\":" + std::to_string(info.st_mode) + ",\"sizeBytes\":" + std::to_string(info.st_size);
  fields += ",\"modifiedNs\":\"" + std::to_string(info.st_mtim.tv_sec * 1000000000LL + info.st_mtim.tv_nsec) + "\"";
  return fields + ",\"linkTarget\":" + quoted(S_ISLNK(info.st_mode) ? finalTarget(path) : "");
}

/** Text of a file of the container; nothing but a regular file is opened. */
std::string readDatabase(const Inodes& inodes, const std::string& path) {
  try {
    const Fd node = openPath(path, true);
    if (!S_ISREG(infoOf(node, path).st_mode)) return "";
    const Fd file = inodes.open(node, O_RDONLY);
    std::string text(DATABASE_SIZE_MAX, '\0');
    size_t size = 0;
    for (ssize_t count; size < text.size() && (count = retry([&] { return read(file.get(), &text[size], text.size() - size); })) > 0;) size += static_cast<size_t>(count);
    text.resize(size);
    return text;
  } catch (const Refusal&) {
    // A container without it has no names of users.
    return "";
  }
}

void readPath(const Inodes& inodes, const std::string& path, const std::string& name) {
  const Fd node = openPath(path, false);
  answer(describe(node, path));
  TarWriter tar(STDOUT_FILENO);
  TreeArchive(tar, inodes, TreeKind::files).add(node, name);
  tar.finish();
}

void requireWritable(const Fd& folder) {
  struct statvfs system = {};
  check(fstatvfs(folder.get(), &system), "statvfs");
  if ((system.f_flag & ST_RDONLY) == 0) return;
  struct stat root = {};
  check(stat("/", &root), "look at", "/");
  const bool isRoot = infoOf(folder, "/").st_dev == root.st_dev;
  refuse("denied", isRoot ? "container rootfs is marked read-only" : "mounted volume is marked read-only");
}

void writePath(const Inodes& inodes, const std::string& path, bool keepsKinds, const std::string& user) {
  Fd folder = openPath(path, true);
  if (!S_ISDIR(infoOf(folder, path).st_mode)) refuse("invalid", "extraction point is not a directory");
  requireWritable(folder);
  ExtractionOptions options;
  options.keepsKinds = keepsKinds;
  if (!user.empty()) {
    const Identity identity = findIdentity(user, {}, readDatabase(inodes, "/etc/passwd"), readDatabase(inodes, "/etc/group"));
    options.owner = {identity.user, identity.group};
  }
  answer("\"type\":\"ready\"");
  const auto source = decompress(readDescriptor(STDIN_FILENO));
  TarReader archive(*source);
  Extraction extraction(std::move(folder), inodes, options);
  TarEntry entry;
  while (archive.next(entry)) extraction.add(entry, archive);
  extraction.finish();
}

/** Empty for a container that was never started. */
Fd openUpper(const Settings& settings) {
  Fd upper(open(settings.upper.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!upper && errno != ENOENT) fail("open", settings.upper);
  return upper;
}

void archiveTree(const Inodes& inodes, const Fd& folder, TreeKind kind) {
  answer("\"type\":\"ready\"");
  TarWriter tar(STDOUT_FILENO);
  if (folder) TreeArchive(tar, inodes, kind).addContents(folder);
  tar.finish();
}

void tellChanges(const Inodes& inodes, const Settings& settings) {
  const Fd upper = openUpper(settings);
  if (upper) enterImage(settings);
  answer("\"type\":\"ready\"");
  if (upper) writeChanges(upper, inodes, STDOUT_FILENO);
}

void tellSizes(const Inodes& inodes, const std::vector<std::string>& folders) {
  answer("\"type\":\"ready\"");
  for (const std::string& path : folders) {
    const Fd folder(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder && errno != ENOENT) fail("open", path);
    writeAll(STDOUT_FILENO, std::to_string(folder ? sizeOfTree(folder, inodes) : 0) + "\n", "the list");
  }
}

/** False for words that are no request. */
bool serve(const std::vector<std::string>& words) {
  const std::string& verb = words[0];
  const size_t count = words.size();
  const Inodes inodes;
  const Settings settings = readSettings();
  if (verb == "stat" && count == 2) {
    enterFiles(settings, false);
    answer(describe(openPath(words[1], false), words[1]));
  } else if (verb == "read" && count == 3) {
    enterFiles(settings, false);
    readPath(inodes, words[1], words[2]);
  } else if (verb == "write" && count >= 3 && count <= 4) {
    enterFiles(settings, true);
    writePath(inodes, words[1], words[2] == "1", count == 4 ? words[3] : "");
  } else if (verb == "export" && count == 1) {
    archiveTree(inodes, openBareRoot(settings), TreeKind::files);
  } else if (verb == "layer" && count == 1) {
    archiveTree(inodes, openUpper(settings), TreeKind::layer);
  } else if (verb == "changes" && count == 1) {
    tellChanges(inodes, settings);
  } else if (verb == "sizes") {
    tellSizes(inodes, std::vector<std::string>(words.begin() + 1, words.end()));
  } else if (verb == "check-maps" && count == 1) {
    prepareRoot(settings, settings.maps, makeUserNamespace(settings.maps));
  } else {
    return false;
  }
  answerEnd("done", "");
  return true;
}

}  // namespace

/** Works on the files of one container, for one request, in a process of its own: it ends with the daemon, and with it every mount that it made. */
int main(int count, char** arguments) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Programs of the container may see this process: they shall not look into it.
  prctl(PR_SET_DUMPABLE, 0);
  umask(0);
  if (count < 2) {
    fputs(USAGE, stderr);
    return 2;
  }
  try {
    if (serve(std::vector<std::string>(arguments + 1, arguments + count))) return 0;
    fputs(USAGE, stderr);
    return 2;
  } catch (const Refusal& refusal) {
    answerEnd(refusal.kind, refusal.text);
  } catch (const BadArchive& bad) {
    answerEnd("invalid", bad.text);
  } catch (const Failure& failure) {
    answerEnd(failure.error == ESRCH ? "gone" : "failed", failure.text);
  }
  return 1;
}
