#pragma once

#include "settings.h"

/** /dev inside `root`: a tmpfs with the nodes and links of the OCI runtime specification (default devices), and those asked for. */
void mountDevices(int root, const Settings& settings);
/** What else is mounted there: devpts, shm and mqueue. */
void mountDeviceSystems(int root, const Settings& settings);

/** The usual nodes and links in a /dev that is mounted; `isBound` takes the host's nodes. */
void makeUsualDevices(int dev, bool isBound);
/** One more, in folders as they are needed; what is there already stays. */
void makeDevice(int dev, const DeviceSettings& device, bool isBound);
