#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "fd.h"

/** Both ends close on exec. */
Pipe makePipe();

/** Opens with O_CLOEXEC; throws with the path. */
Fd openFile(const std::string& path, int flags, int mode = 0);

/** Writes all of it, to a descriptor that blocks. */
void writeAll(int fd, std::string_view data, std::string_view path);

/** Writes into a file that exists, in one call: how files of cgroups and /proc want it. */
void writeSetting(const std::string& path, std::string_view text);

/** The same for a file of /proc where others may have mounted or linked: refuses what is not of that file system, so that no write is led elsewhere (CVE-2025-52881). */
void writeProcSetting(const std::string& path, std::string_view text);

/** A regular file's text up to `sizeMax`; none when it is missing, of another kind (a FIFO would block), or the kernel's about what is gone. Throws with the path when it cannot be read to the end. */
std::optional<std::string> readRegularFile(const std::string& path, size_t sizeMax);

void makeNonBlocking(int fd);
