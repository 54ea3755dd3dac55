#pragma once

#include <string>

#include "../base/json.h"
#include "../shim/seccomp.h"

/** Compiles `linux.seccomp` by the program swarm-seccomp in `folder`; no filter for null. Throws for what it does not know. */
SeccompFilter compileSeccomp(const Json& seccomp, const std::string& folder);
