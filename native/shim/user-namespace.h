#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "../base/fd.h"
#include "settings.h"

/** Who somebody inside of a user namespace is on the host. */
struct HostIds {
  uid_t user;
  gid_t group;
};

/** Who root is. Throws where the maps have none. */
HostIds rootOf(const IdMaps& maps);

/** Those that show the other way round: who on the host is whom inside. */
IdMaps reversed(const IdMaps& maps);

/** The maps of a process in another user namespace than the caller's; none for one in the same. */
std::optional<IdMaps> mapsOf(pid_t process);

/** For who may: a process that has just been made in a user namespace of its own gets its maps. */
void writeMaps(pid_t process, const IdMaps& maps);

/** A user namespace that nobody is in, as mounts with other owners want it. */
Fd makeUserNamespace(const IdMaps& maps);

/** A tree that is mounted nowhere yet shows its files with the owners that the user namespace makes of them (mount_setattr(2), MOUNT_ATTR_IDMAP). */
void mapOwners(const Fd& tree, const Fd& users, bool isRecursive, const std::string& name);

/** Everything that a joined or new user namespace's root may do, as who it is there. */
void becomeRoot();

/** For as long as it lives, files that are made belong to somebody else; capabilities stay. */
class MakingFilesAs {
 public:
  explicit MakingFilesAs(const HostIds& owner);
  ~MakingFilesAs();
  MakingFilesAs(const MakingFilesAs&) = delete;
  MakingFilesAs& operator=(const MakingFilesAs&) = delete;
};
