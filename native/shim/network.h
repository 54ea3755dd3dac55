#pragma once

#include <sys/types.h>

#include "settings.h"

/**
 * Makes the network of a container whose first process has a new network namespace, from outside: so it goes on while that process mounts its files. Loopback,
 * and in mode bridge `eth0` with its address and default route. IPv6 is off on eth0, as under Docker where a network has none: else each container would
 * ask all others of the bridge for addresses and routers, and take those that any of them tells. Does nothing for namespaces that are not the container's own.
 */
void connectNetwork(const NetworkSettings& network, pid_t process);

/**
 * When its program runs: waits until what the host sends gets through, which the kernel sees to in the background, and lets those on who have been calling since before the container was there:
 * they would ask for it again a second after the last time. Does nothing for other modes.
 */
void announceNetwork(const NetworkSettings& network);
