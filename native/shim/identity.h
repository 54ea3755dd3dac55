#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

struct Identity {
  uid_t user;
  gid_t group;
  std::vector<gid_t> groups;
  std::string home;
};

/** Looks names up in /etc/passwd and /etc/group of the calling process's root. `user` is `[name|uid][:name|gid]`; empty is root. */
Identity resolveIdentity(const std::string& user, const std::vector<std::string>& extraGroups);

/** The same with the text of both files. */
Identity findIdentity(const std::string& user, const std::vector<std::string>& extraGroups, const std::string& passwd, const std::string& groupFile);

/** A bit per capability's number (capabilities(7)). */
struct CapabilitySets {
  uint64_t bounding = 0;
  uint64_t effective = 0;
  uint64_t permitted = 0;
  uint64_t inheritable = 0;
  uint64_t ambient = 0;
};

/** Root has them effective and permitted; another user has none, as execve would leave it. */
CapabilitySets capabilitiesFor(const Identity& identity, uint64_t bounding);

/** Takes the identity for good, with exactly these capabilities. */
void assumeIdentity(const Identity& identity, const CapabilitySets& capabilities);
