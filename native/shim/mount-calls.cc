#include "mount-calls.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/error.h"
#include "paths.h"

void mountAt(const Fd& target, const char* type, unsigned long flags, const char* data, std::string_view name) {
  check(mount(type, pathOf(target.get()).c_str(), type, flags, data), "mount", name);
}

Fd cloneMount(int folder, const char* path, unsigned flags, std::string_view name, std::string_view what) {
  return Fd(check(static_cast<int>(syscall(SYS_open_tree, folder, path, flags | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)), what, name));
}

void attachMount(const Fd& tree, const Fd& target, std::string_view name, std::string_view what) {
  check(static_cast<int>(syscall(SYS_move_mount, tree.get(), "", target.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)), what, name);
}

void setMountAttributes(int fd, const char* path, unsigned flags, const mount_attr& attributes, std::string_view name, std::string_view what) {
  check(static_cast<int>(syscall(SYS_mount_setattr, fd, path, flags, &attributes, sizeof attributes)), what, name);
}
