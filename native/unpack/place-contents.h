#pragma once

#include <ctime>
#include <string>

/** Removes what is at a name in a folder, with everything below it, whoever changes it meanwhile: no link is followed. */
void removeTree(int folder, const std::string& name);

/** A time that the kernel does not take becomes the epoch. */
timespec usableTime(timespec time);
