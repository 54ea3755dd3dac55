#pragma once

#include <string>
#include <string_view>

#include "../base/fd.h"

/** A name in a folder: the only way in which anything is made, changed or removed. */
struct Place {
  /** The folder, opened as a path; owned by the LayerFolder and good until its next call. */
  int folder;
  /** One component, neither "." nor ".."; empty means the folder itself, which is the layer's own. */
  std::string name;
};

/**
 * The folder that a layer is unpacked into. Names of the archive are resolved by the kernel with openat2(RESOLVE_IN_ROOT): wherever links lead, absolute or
 * upwards, it is within this folder, as for a process in the container. Nobody else writes to it meanwhile.
 */
class LayerFolder {
 public:
  explicit LayerFolder(const std::string& path);

  int root() const { return root_.get(); }
  /** Where an entry goes; makes the folders above it that are missing. Throws BadArchive for a name with "..", or one below a file. */
  Place place(const std::string& name);
  /** Where an entry is; the folder is -1 when there is none above it. */
  Place find(const std::string& name);
  /** Opens a directory of the archive as it is now; empty when it is none. */
  Fd openDirectory(const std::string& name) const;
  /** To be told when a directory or a link was removed, or a link made: names may lead elsewhere from then on. */
  void forget();

 private:
  Fd open(const std::string& path, int flags, unsigned long resolve) const;
  Fd makeDirectories(const std::string& path);

  Fd root_;
  /** The folder that was used last, by the name that the archive has for it: most entries lie beside the one before. */
  std::string lastPath_;
  Fd last_;
};

/** Makes a directory known as one that hides everything below it in lower layers. */
void makeOpaque(int directory, const std::string& name);
/** True for overlayfs's mark that a name is gone: a character device 0:0. */
bool isWhiteout(int folder, const std::string& name);
