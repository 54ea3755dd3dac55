#pragma once

/**
 * Copies what is in one directory into another: owners, modes, times, extended attributes, links and special files as they are; sockets are left out. What is
 * there already stays, and a file comes under its name when it is complete: after a crash the same call goes on. Follows no link on either side, so that nobody
 * who writes there meanwhile leads it elsewhere. False when there was nothing to copy.
 */
bool copyTree(int from, int to);

/** Owner, mode and extended attributes of a directory, for another one. */
void copyAttributes(int from, int to);
