#pragma once

#include <string>
#include <utility>

/** The archive is at fault, not this host: what is wrong with it, and with which entry. */
struct BadArchive {
  std::string text;
};

[[noreturn]] inline void badArchive(std::string text) { throw BadArchive{std::move(text)}; }
