#pragma once

#include <cerrno>
#include <string>
#include <string_view>

/**
 * The one error contract of native/: a call of the kernel that did not do what it should throws a Failure, which says what was tried, on what,
 * and why it failed. Whoever owns a process's outcome (shim, container child, addon call) catches it there and nowhere else.
 */
struct Failure {
  std::string text;
  /** errno, or 0 when the kernel was not the one who refused. */
  int error;
};

/** Throws `what object: reason of error`. */
[[noreturn]] void fail(std::string_view what, std::string_view object = {}, int error = errno);

/** Throws a text that stands for itself. */
[[noreturn]] void failWith(std::string text, int error = 0);

/** Passes a system call's result through, and throws when it is negative. */
inline int check(int result, std::string_view what, std::string_view object = {}) {
  if (result < 0) fail(what, object);
  return result;
}

/** Without its middle when it is long, as the name of a program or file can be: for a line that others take as one, whatever JSON makes of its characters. */
std::string inBrief(const std::string& text);

/** `EBUSY` for 16. */
std::string symbolOf(int error);

/** Calls again for as long as a signal interrupted it. */
template <typename Call>
auto retry(Call call) -> decltype(call()) {
  decltype(call()) result;
  do result = call();
  while (result < 0 && errno == EINTR);
  return result;
}
