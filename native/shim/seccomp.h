#pragma once

#include <string>

/** A compiled filter: read from the host's files first, loaded last. */
class SeccompFilter {
 public:
  /** An empty path is no filter. */
  SeccompFilter(const std::string& path, unsigned flags);
  /** The program itself; empty is none. */
  static SeccompFilter ofProgram(std::string program, unsigned flags);
  /** From here on, the process and what it executes may do only what the filter allows. Needs no_new_privs or CAP_SYS_ADMIN. */
  void load() const;

 private:
  SeccompFilter() = default;
  std::string program_;
  unsigned flags_ = 0;
};
