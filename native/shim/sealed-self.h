#pragma once

/**
 * Goes on as a sealed copy of this program in memory, unless it runs from one already. What enters a container can be made to execute itself there
 * (`#!/proc/self/exe`, CVE-2019-5736), and a container that then holds its /proc/self/exe may try to write to it: it must not be the host's file.
 * Descriptors and arguments stay. Throws when the kernel gives no such file.
 */
void runFromSealedCopy(char** arguments);
