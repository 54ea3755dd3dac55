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

/**
 * Takes the identity for good, with the bounding set reduced to `capabilities` (bit per number). Root keeps them effective and permitted; another user has none,
 * as execve would leave it; the inheritable and ambient sets are empty in both cases.
 */
void assumeIdentity(const Identity& identity, uint64_t capabilities);
