#pragma once

#include <string>

#include "../base/fd.h"
#include "settings.h"

/** The folder in which another runtime finds what it shall run (OCI runtime specification, "Filesystem Bundle"), and leaves what it says. */
class Bundle {
 public:
  explicit Bundle(const OtherRuntimeSettings& runtime) : folder_(runtime.bundle) {}

  std::string configFile() const { return folder_ + "/config.json"; }
  std::string processFile() const { return folder_ + "/process.json"; }
  std::string pidFile() const { return folder_ + "/pid"; }
  std::string logFile() const { return folder_ + "/log"; }
  std::string consoleSocket() const { return folder_ + "/tty"; }
  /** Where the runtime finds memory that is shared with another container. */
  std::string sharedMemory() const { return folder_ + "/shm"; }
  const std::string& folder() const { return folder_; }

  void make() const;
  /** The text with the user that it was given by name, looked up in the calling process's root. */
  void write(const std::string& path, const std::string& config, const Settings& settings, const std::string& rootOfUsers) const;
  Fd listenForConsole() const;
  pid_t readPid() const;
  /** What the runtime said last in its log: empty when it said nothing. */
  std::string lastWords() const;
  void remove() const;

 private:
  std::string folder_;
};
