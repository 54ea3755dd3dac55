#pragma once

#include <map>
#include <string>
#include <utility>

#include "../base/fd.h"
#include "inode.h"
#include "tar-writer.h"

/** What is archived. */
enum class TreeKind {
  /** Files as a program sees them; of /proc, /sys and /dev themselves alone where they are mounted. */
  files,
  /** A writable layer of overlayfs: what it takes away becomes whiteouts (OCI image layer specification). */
  layer,
};

/**
 * Archives a tree that others change meanwhile. It goes from folder to folder by what it has open and never follows a link, so it cannot be led out of the tree. What is
 * gone when its turn comes is left out; sockets are, too.
 */
class TreeArchive {
 public:
  TreeArchive(TarWriter& tar, const Inodes& inodes, TreeKind kind);
  /** One thing under a name, and what is below it. An empty name stands for the root: names then begin with a slash. */
  void add(const Fd& node, const std::string& name);
  /** What is in a folder, by its names. */
  void addContents(const Fd& folder);

 private:
  void addChildren(const Fd& folder, const struct stat& info, const std::string& prefix);
  void addFile(const Fd& node, TarEntry& entry, const struct stat& info);
  bool isOthers(const Fd& node, const struct stat& info, const struct stat& parent, const std::string& child) const;

  TarWriter& tar_;
  const Inodes& inodes_;
  TreeKind kind_;
  struct stat root_ = {};
  /** First names of files that have several. */
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

/** Sorted, without "." and "..". */
std::vector<std::string> namesIn(const Inodes& inodes, const Fd& folder);

/** Marks of overlayfs in a writable layer. */
bool isWhiteout(const struct stat& info);
bool isOpaque(const Inodes& inodes, const Fd& folder);
