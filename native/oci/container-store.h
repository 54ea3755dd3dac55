#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "../base/fd.h"
#include "../base/json.h"

/** What is kept of a container between calls: ROOT/ID/container.json, ROOT/ID/config.json, which is that of its bundle when it was made, and ROOT/ID/start, the socket at which one that is created waits for its start. */
class ContainerStore {
 public:
  /** Throws for an id that is no file's name. */
  ContainerStore(const std::string& root, const std::string& id);

  /** Throws when there is one of that id. */
  void make() const;
  /** Whole or not at all. */
  void write(const Json& container) const;
  /** Throws when there is none. */
  Json read() const;
  void writeConfig(const std::string& text) const;
  std::optional<std::string> readConfig() const;
  bool exists() const;
  void remove() const;

  /** Both ends of the start: paths of any length. */
  Fd listenForStart() const;
  Fd connectToStart() const;
  /** From here on it is started. */
  void forgetStart() const;

  /** The state as the specification has it; what the first process is doing now included. */
  Json stateOf(const Json& container) const;
  std::string statusOf(const Json& container) const;
  /** The first process, held by a descriptor; none when it has ended. */
  Fd openProcess(const Json& container) const;
  const std::string& id() const { return id_; }

 private:
  std::string folder_;
  std::string id_;
};

/** When a process was started, as the kernel counts: with its number, it is that process's alone. Empty when it has ended. */
std::string startTimeOf(pid_t process);
