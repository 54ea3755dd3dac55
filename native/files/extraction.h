#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../base/fd.h"
#include "../unpack/tar-reader.h"
#include "inode.h"

struct ExtractionOptions {
  /** Refuses to put a directory where something else is, and the other way round. */
  bool keepsKinds = false;
  /** Who everything belongs to; without it, whom the archive says. */
  std::optional<std::pair<uid_t, gid_t>> owner;
};

/**
 * Puts an archive into a folder of a container whose programs go on changing it. "/" must be the container's root (view.h): wherever links lead, it is within the container.
 * Everything is changed by descriptors of what was made, so nothing else can be put in its place. Throws Refusal, BadArchive or Failure that names the entry.
 */
class Extraction {
 public:
  Extraction(Fd folder, const Inodes& inodes, ExtractionOptions options) : folder_(std::move(folder)), inodes_(inodes), options_(options) {}
  void add(const TarEntry& entry, TarReader& archive);
  /** Sets what later entries would have changed. */
  void finish();

 private:
  void addBelow(const Fd& parent, const std::string& name, const TarEntry& entry, TarReader& archive);
  Fd folderAt(const std::string& path);
  Fd make(const Fd& parent, const std::string& name, const TarEntry& entry, TarReader& archive);
  Fd makeFile(const Fd& parent, const std::string& name, TarReader& archive);
  void makeLink(const Fd& parent, const std::string& name, const TarEntry& entry);
  void clear(const Fd& parent, const std::string& name, const TarEntry& entry);

  Fd folder_;
  const Inodes& inodes_;
  ExtractionOptions options_;
  /** Folders with the time that they get; as many as an archive has. */
  std::vector<std::pair<std::string, timespec>> folderTimes_;
};
