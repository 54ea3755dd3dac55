#include "inode.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>

#include "../base/error.h"
#include "../base/file.h"

namespace {

constexpr size_t ATTRIBUTE_SIZE_MAX = 65536;

/** A capability is part of what a program is; other names are the kernel's and the host's. */
bool isContent(const std::string& attribute) {
  if (attribute == "security.capability") return true;
  return attribute.rfind("user.", 0) == 0 && attribute.rfind("user.overlay.", 0) != 0;
}

}  // namespace

Inodes::Inodes() : descriptors_(openFile("/proc/self/fd", O_PATH | O_DIRECTORY)) {}

Fd Inodes::open(const Fd& node, int flags) const {
  const std::string name = std::to_string(node.get());
  return Fd(check(retry([&] { return openat(descriptors_.get(), name.c_str(), flags | O_CLOEXEC); }), "open"));
}

void Inodes::setMode(const Fd& node, mode_t mode) const {
  check(fchmodat(descriptors_.get(), std::to_string(node.get()).c_str(), mode, 0), "set the mode");
}

// The calls for attributes take no folder: descriptors are names in the working directory instead.

bool Inodes::setAttribute(const Fd& node, const std::string& name, const std::string& value) const {
  check(fchdir(descriptors_.get()), "enter", "/proc/self/fd");
  if (setxattr(std::to_string(node.get()).c_str(), name.c_str(), value.data(), value.size(), 0) == 0) return true;
  if (errno != ENOTSUP) fail("set the attribute", name);
  return false;
}

std::string Inodes::attributeOf(const Fd& node, const std::string& name) const {
  check(fchdir(descriptors_.get()), "enter", "/proc/self/fd");
  std::string value(ATTRIBUTE_SIZE_MAX, '\0');
  const ssize_t size = getxattr(std::to_string(node.get()).c_str(), name.c_str(), value.data(), value.size());
  if (size < 0 && errno != ENODATA && errno != ENOTSUP) fail("read the attribute", name);
  value.resize(size < 0 ? 0 : static_cast<size_t>(size));
  return value;
}

std::vector<std::pair<std::string, std::string>> Inodes::attributesOf(const Fd& node) const {
  check(fchdir(descriptors_.get()), "enter", "/proc/self/fd");
  std::string names(ATTRIBUTE_SIZE_MAX, '\0');
  const ssize_t size = listxattr(std::to_string(node.get()).c_str(), names.data(), names.size());
  if (size < 0 && errno != ENOTSUP) fail("list attributes");
  std::vector<std::pair<std::string, std::string>> attributes;
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(strlen(&names[static_cast<size_t>(at)])) + 1) {
    const std::string name = &names[static_cast<size_t>(at)];
    if (isContent(name)) attributes.emplace_back(name, attributeOf(node, name));
  }
  return attributes;
}

struct stat infoOf(const Fd& node, const std::string& name) {
  struct stat info = {};
  check(fstat(node.get(), &info), "look at", name);
  return info;
}

Fd openNode(int folder, const std::string& name) {
  Fd node(retry([&] { return openat(folder, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC); }));
  if (!node && errno != ENOENT) fail("open", name);
  return node;
}

std::string targetOf(const Fd& link, const std::string& name) {
  char target[PATH_MAX];
  const ssize_t size = readlinkat(link.get(), "", target, sizeof target);
  if (size < 0) fail("read the link", name);
  return std::string(target, static_cast<size_t>(size));
}
