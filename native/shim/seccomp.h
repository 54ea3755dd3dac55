#pragma once

#include <string>

#include "../base/fd.h"

/** A compiled filter: read from the host's files first, loaded last. */
class SeccompFilter {
 public:
  /** An empty path is no filter. */
  SeccompFilter(const std::string& path, unsigned flags);
  /** The program itself; empty is none. */
  static SeccompFilter ofProgram(std::string program, unsigned flags);
  /**
   * From here on, the process and what it executes may do only what the filter allows. Needs no_new_privs or CAP_SYS_ADMIN. Returns where the filter asks what to
   * do, when it was made with SECCOMP_FILTER_FLAG_NEW_LISTENER.
   */
  Fd load() const;

 private:
  SeccompFilter() = default;
  std::string program_;
  unsigned flags_ = 0;
};
