#pragma once

#include <string>
#include <vector>

/** Executes the program with the given environment, looked up in its PATH when it has no slash. Returns only by a Failure, in the words that runc has. */
[[noreturn]] void executeProgram(const std::vector<std::string>& args, const std::vector<std::string>& env);

/** Value of the last `name=` in the list; empty when there is none. */
std::string valueOf(const std::vector<std::string>& env, const std::string& name);
