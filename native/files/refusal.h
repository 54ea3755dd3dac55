#pragma once

#include <string>
#include <utility>

/** What was asked cannot be done, and whoever asked is told so: a kind that the daemon knows (src/runtime/files/files-program.ts) and a sentence. */
struct Refusal {
  /** missing, invalid, denied */
  const char* kind;
  std::string text;
};

[[noreturn]] inline void refuse(const char* kind, std::string text) { throw Refusal{kind, std::move(text)}; }
