#pragma once

#include <linux/mount.h>

#include <string_view>

#include "../base/fd.h"

// The calls of the kernel that mount, by descriptor: no link that somebody makes meanwhile leads one elsewhere. Errors begin with `what` and have `name` in them.

/** mount(2) of a file system of the kernel's (`type`) on a directory that is open. */
void mountAt(const Fd& target, const char* type, unsigned long flags, const char* data, std::string_view name);

/** A copy of what is mounted at the path, mounted nowhere yet: open_tree(2), with its flags AT_EMPTY_PATH and AT_RECURSIVE. */
Fd cloneMount(int folder, const char* path, unsigned flags, std::string_view name, std::string_view what = "open bind source");

/** What is mounted nowhere yet gets its place: move_mount(2). */
void attachMount(const Fd& tree, const Fd& target, std::string_view name, std::string_view what = "bind mount at");

/** mount_setattr(2), with its flags AT_EMPTY_PATH and AT_RECURSIVE. */
void setMountAttributes(int fd, const char* path, unsigned flags, const mount_attr& attributes, std::string_view name, std::string_view what = "set mount attributes of");
