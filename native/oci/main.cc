#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <functional>
#include <map>

#include "../base/error.h"
#include "../base/file.h"
#include "../base/json.h"
#include "../shim/sealed-self.h"
#include "create.h"
#include "execute.h"
#include "life.h"

namespace {

constexpr const char* USAGE =
    "usage: swarm-oci [--root DIR] [--log FILE] [--log-format text|json] COMMAND\n"
    "\n"
    "  create  [--bundle DIR] [--pid-file FILE] [--console-socket PATH] ID     make a container; its program waits for `start`\n"
    "  start   ID                                                             execute its program\n"
    "  state   ID                                                             its state as JSON\n"
    "  kill    [--all] ID [SIGNAL]                                            send a signal (TERM)\n"
    "  delete  [--force] ID                                                   remove what has ended; by force also what runs\n"
    "  exec    [--process FILE] [--detach] [--tty] [--user UID[:GID]] [--cwd DIR] [--env NAME=VALUE]...\n"
    "          [--pid-file FILE] [--console-socket PATH] ID [PROGRAM ARGS...]  run one more program in it\n"
    "  features                                                               what this program can do, as JSON\n"
    "\n"
    "The OCI runtime command line interface: DIR holds config.json and the root file system. State is kept in /run/swarm-oci, or --root.\n";

/** Tells programs that were copied into memory where they came from. */
constexpr const char* PROGRAMS = "SWARM_OCI_PROGRAMS";

struct Misuse {
  std::string text;
};

/** Options by their long name, until the first word that is none. */
class Words {
 public:
  Words(int count, char** arguments) : words_(arguments, arguments + count) {}

  /** A name with `=` at its end takes a value. */
  void take(const std::map<std::string, std::function<void(const std::string&)>>& options) {
    static const std::map<std::string, std::string> SHORT = {{"-b", "--bundle"}, {"-f", "--force"}, {"-a", "--all"},  {"-p", "--process"},
                                                             {"-d", "--detach"}, {"-t", "--tty"},   {"-u", "--user"}, {"-e", "--env"}};
    while (at_ < words_.size() && words_[at_].size() > 1 && words_[at_][0] == '-') {
      std::string word = words_[at_++];
      if (word == "--") return;
      const auto known = SHORT.find(word);
      if (known != SHORT.end()) word = known->second;
      const size_t equals = word.find('=');
      const std::string name = word.substr(0, equals);
      const auto flag = options.find(name);
      const auto valued = options.find(name + "=");
      if (flag != options.end() && equals == std::string::npos) flag->second("");
      else if (valued != options.end()) valued->second(equals != std::string::npos ? word.substr(equals + 1) : next("a value for " + name));
      else throw Misuse{"unknown option \"" + word + "\""};
    }
  }

  std::string next(const std::string& what) {
    if (at_ == words_.size()) throw Misuse{what + " is missing"};
    return words_[at_++];
  }
  std::vector<std::string> rest() { return {words_.begin() + static_cast<long>(std::exchange(at_, words_.size())), words_.end()}; }
  bool isAtEnd() const { return at_ == words_.size(); }
  void end() const {
    if (!isAtEnd()) throw Misuse{"unexpected word \"" + words_[at_] + "\""};
  }

 private:
  std::vector<std::string> words_;
  size_t at_ = 0;
};

struct Call {
  explicit Call(Words& all) : words(all) {}

  Words& words;
  std::string root = "/run/swarm-oci";
  std::string log;
  bool isLogJson = false;
  std::string programs;
  char** arguments = nullptr;

  ContainerStore store() { return {root, words.next("the container's id")}; }
};

std::string absolute(const std::string& path) {
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) == nullptr) fail("find", path);
  return resolved;
}

int create(Call& call) {
  runFromSealedCopy(call.arguments);
  CreateOptions options;
  options.bundle = ".";
  options.programs = call.programs;
  call.words.take({{"--bundle=", [&](const std::string& value) { options.bundle = value; }},
                   {"--pid-file=", [&](const std::string& value) { options.pidFile = value; }},
                   {"--console-socket=", [&](const std::string& value) { options.consoleSocket = value; }}});
  const ContainerStore store = call.store();
  call.words.end();
  options.bundle = absolute(options.bundle);
  createContainer(store, options);
  return 0;
}

int execute(Call& call) {
  runFromSealedCopy(call.arguments);
  ExecuteOptions options;
  options.programs = call.programs;
  call.words.take({{"--process=", [&](const std::string& value) { options.processFile = value; }},
                   {"--detach", [&](const std::string&) { options.isDetached = true; }},
                   {"--tty", [&](const std::string&) { options.isTerminal = true; }},
                   {"--user=", [&](const std::string& value) { options.user = value; }},
                   {"--cwd=", [&](const std::string& value) { options.workingDir = value; }},
                   {"--env=", [&](const std::string& value) { options.env.push_back(value); }},
                   {"--pid-file=", [&](const std::string& value) { options.pidFile = value; }},
                   {"--console-socket=", [&](const std::string& value) { options.consoleSocket = value; }}});
  const ContainerStore store = call.store();
  options.args = call.words.rest();
  if (options.processFile.empty() == options.args.empty()) throw Misuse{"either --process or a program is needed"};
  return executeInContainer(store, options);
}

/** For who called with --log: what it reads there is what the container's own output cannot be mixed with. */
void writeLog(const Call& call, const char* level, const std::string& text) {
  if (call.log.empty()) return;
  Json line = Json::object();
  line.at("level") = Json::text(level);
  line.at("msg") = Json::text(text);
  const Fd file = openFile(call.log, O_WRONLY | O_CREAT | O_APPEND, 0644);
  writeAll(file.get(), (call.isLogJson ? line.write() : text) + "\n", call.log);
}

void warn(const Call& call, const Warnings& warnings) {
  for (const std::string& warning : warnings) {
    fprintf(stderr, "swarm-oci: %s\n", warning.c_str());
    writeLog(call, "warning", warning);
  }
}

int start(Call& call) {
  const ContainerStore store = call.store();
  call.words.end();
  warn(call, startContainer(store));
  return 0;
}

int state(Call& call) {
  const ContainerStore store = call.store();
  call.words.end();
  printf("%s\n", store.stateOf(store.read()).write().c_str());
  return 0;
}

int kill(Call& call) {
  bool isAll = false;
  const auto takeAll = [&] { call.words.take({{"--all", [&](const std::string&) { isAll = true; }}}); };
  takeAll();
  const ContainerStore store = call.store();
  const std::string signal = call.words.isAtEnd() ? "TERM" : call.words.next("a signal");
  call.words.end();
  killContainer(store, signal, isAll);
  return 0;
}

int remove(Call& call) {
  bool isForced = false;
  call.words.take({{"--force", [&](const std::string&) { isForced = true; }}});
  const ContainerStore store = call.store();
  call.words.end();
  warn(call, deleteContainer(store, isForced));
  return 0;
}

int features(Call& call) {
  call.words.end();
  printf("%s\n", describeFeatures().write().c_str());
  return 0;
}

const std::map<std::string, int (*)(Call&)> COMMANDS = {{"create", create}, {"start", start},   {"state", state},      {"kill", kill},
                                                        {"delete", remove}, {"exec", execute}, {"features", features}};

int run(Call& call) {
  bool isHelp = false;
  call.words.take({{"--root=", [&](const std::string& value) { call.root = value; }},
                   {"--log=", [&](const std::string& value) { call.log = value; }},
                   {"--log-format=", [&](const std::string& value) { call.isLogJson = value == "json"; }},
                   {"--help", [&](const std::string&) { isHelp = true; }}});
  if (isHelp) {
    fputs(USAGE, stdout);
    return 0;
  }
  const std::string name = call.words.next("a command");
  const auto command = COMMANDS.find(name);
  if (command == COMMANDS.end()) throw Misuse{"unknown command \"" + name + "\""};
  return command->second(call);
}

/** Where this program's file is, whose copy in memory has no path. */
std::string programsFolder() {
  const char* const told = getenv(PROGRAMS);
  if (told != nullptr) return told;
  const std::string self = absolute("/proc/self/exe");
  const std::string folder = self.substr(0, self.rfind('/'));
  setenv(PROGRAMS, folder.c_str(), 1);
  return folder;
}

}  // namespace

/** The OCI runtime command line interface over the shim's own code. */
int main(int count, char** arguments) {
  Words words(count - 1, arguments + 1);
  Call call(words);
  call.arguments = arguments;
  try {
    call.programs = programsFolder();
    return run(call);
  } catch (const Misuse& misuse) {
    fprintf(stderr, "swarm-oci: %s\n%s", misuse.text.c_str(), USAGE);
    return 2;
  } catch (const Failure& failure) {
    fprintf(stderr, "swarm-oci: %s\n", failure.text.c_str());
    try {
      writeLog(call, "error", failure.text);
    } catch (const Failure& second) {
      fprintf(stderr, "swarm-oci: %s\n", second.text.c_str());
    }
    return 1;
  }
}
