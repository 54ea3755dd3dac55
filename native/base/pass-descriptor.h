#pragma once

#include <string>

#include "fd.h"

/** Passes a descriptor on to the process at the other end of a unix socket (SCM_RIGHTS of unix(7)), with a text that is not empty. */
void sendDescriptor(int socket, int fd, std::string text = std::string(1, '\0'));

/** Takes it there; no descriptor when the other end closed without sending one. */
Fd receiveDescriptor(int socket);
