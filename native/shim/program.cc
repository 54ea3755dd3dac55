#include "program.h"

#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"

namespace {

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

/** 0 when the file can be executed, else why not. */
int whyNotExecutable(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) < 0) return errno;
  if (S_ISDIR(info.st_mode)) return EISDIR;
  return eaccess(path.c_str(), X_OK) < 0 ? errno : 0;
}

std::string find(const std::string& name, const std::string& searchPath) {
  if (name.find('/') != std::string::npos) {
    const int error = whyNotExecutable(name);
    if (error == ENOENT || error == ENOTDIR) fail("exec: " + quoted(name) + ": stat", name, error);
    if (error != 0) fail("exec: " + quoted(name), {}, error);
    return name;
  }
  int worst = ENOENT;
  for (size_t start = 0; start <= searchPath.size();) {
    const size_t end = std::min(searchPath.find(':', start), searchPath.size());
    const std::string folder = searchPath.substr(start, end - start);
    const std::string path = (folder.empty() ? "." : folder) + "/" + name;
    const int error = name.empty() ? ENOENT : whyNotExecutable(path);
    if (error == 0) return path;
    if (error == EACCES) worst = error;
    start = end + 1;
  }
  if (worst == EACCES) fail("exec: " + quoted(name), {}, worst);
  failWith("exec: " + quoted(name) + ": executable file not found in $PATH", ENOENT);
}

std::vector<char*> pointersOf(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

std::string valueOf(const std::vector<std::string>& env, const std::string& name) {
  for (auto entry = env.rbegin(); entry != env.rend(); ++entry) {
    if (entry->compare(0, name.size() + 1, name + "=") == 0) return entry->substr(name.size() + 1);
  }
  return "";
}

void executeProgram(const std::vector<std::string>& args, const std::vector<std::string>& env) {
  const std::string path = find(args.front(), valueOf(env, "PATH"));
  execve(path.c_str(), pointersOf(args).data(), pointersOf(env).data());
  fail("exec " + path);
}
