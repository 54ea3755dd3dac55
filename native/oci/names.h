#pragma once

#include <string>
#include <vector>

/** Number of `CAP_CHOWN` and so on, of this kernel's headers; negative for an unknown name. */
int capabilityNumber(const std::string& name);
const std::vector<std::string>& capabilityNames();

/** Number of `RLIMIT_NOFILE` and so on; negative for an unknown name. */
int rlimitNumber(const std::string& name);

/** CLONE_NEW* of `pid`, `network` and so on, as the OCI runtime specification calls them; 0 for an unknown name. */
unsigned long namespaceFlag(const std::string& name);
/** Its file below /proc/PID/ns. */
const char* namespaceFile(unsigned long flag);
const std::vector<std::string>& namespaceNames();

/** A signal by name, with or without SIG, or number; 0 for what is none. */
int signalNumber(const std::string& name);
