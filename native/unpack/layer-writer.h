#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "layer-folder.h"
#include "tar-reader.h"

/** What an archive held. */
struct LayerSummary {
  uint64_t entries = 0;
  /** Sum of the sizes of its files. */
  uint64_t size = 0;
  /** Extended attributes that the file system does not keep, as `NAME of ENTRY`: the first few. */
  std::vector<std::string> dropped;
};

/**
 * Puts the entries of an archive into a folder, which must be empty and its own, in the form that overlayfs mounts: whiteouts become devices 0:0, opaque
 * directories the attribute trusted.overlay.opaque (OCI image layer specification). Owners are kept when this process is root.
 */
class LayerWriter {
 public:
  explicit LayerWriter(const std::string& folder) : folder_(folder) {}
  /** Reads the entry's content from the archive, too. Throws BadArchive or Failure that names the entry. */
  void add(const TarEntry& entry, TarReader& archive);
  /** Sets what later entries would have changed. */
  LayerSummary finish();

 private:
  void addTo(const Place& place, const TarEntry& entry, TarReader& archive);
  void addWhiteout(const Place& place, const TarEntry& entry);
  void addFile(const Place& place, const TarEntry& entry, TarReader& archive);
  void addDirectory(const Place& place, const TarEntry& entry);
  void addHardLink(const TarEntry& entry);
  void addNode(const Place& place, const TarEntry& entry);
  /** Returns true when what was there is a directory that stays, or was the mark of a whiteout. */
  bool clear(const Place& place, const TarEntry& entry);
  void setOwner(const Place& place, const TarEntry& entry);
  void setAttributes(const Place& place, const TarEntry& entry);

  LayerFolder folder_;
  LayerSummary summary_;
  /** The entry removed or made something that names may lead through: what the folder remembers of them is good only until the entry is done. */
  bool staleNames_ = false;
  std::vector<std::pair<std::string, timespec>> directoryTimes_;
};
