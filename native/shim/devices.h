#pragma once

/** /dev inside `root`: a tmpfs with the nodes and links of the OCI runtime specification (default devices), devpts, shm and mqueue. */
void mountDevices(int root);
