#pragma once

#include <string>
#include <vector>

#include "container-store.h"

/** What did not go as it should, and stops nothing. */
using Warnings = std::vector<std::string>;

/** `start`: the program of a container that is created is executed; then the hooks of `poststart` are run. */
Warnings startContainer(const ContainerStore& store);

/** `kill`: a signal for the first process; with `isAll` for every process of the container's groups. */
void killContainer(const ContainerStore& store, const std::string& signal, bool isAll);

/** `delete`: everything of a container that has ended; by force of every other too. Then the hooks of `poststop` are run. */
Warnings deleteContainer(const ContainerStore& store, bool isForced);

/** `features`: what this program and machine can do, in the specification's words. */
Json describeFeatures();
