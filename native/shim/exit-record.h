#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "../base/fd.h"

struct Exit {
  int exitCode;
  bool isOutOfMemory;
};

/**
 * The file FOLDER/exit: how a container ended, for whoever asks later. Space for it is taken when the container starts, so that a full disk cannot prevent it.
 * Without a folder (a program that joined a container) nothing is kept.
 */
class ExitRecord {
 public:
  explicit ExitRecord(const std::string& folder);
  /** Written aside, synced, renamed; returns the text. */
  std::string writeExit(const Exit& exit, pid_t process, uint64_t startedAtNs);
  /** The program could not be executed. */
  std::string writeFailure(const std::string& reason);

 private:
  /** False when it could not be kept. */
  bool publish(std::string text);
  void store(std::string text);

  std::string folder_;
  Fd file_;
};

/** Nanoseconds since the epoch. */
uint64_t nowNs();
