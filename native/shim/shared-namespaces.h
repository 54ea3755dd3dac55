#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "../base/fd.h"
#include "settings.h"

/** The user namespace to which namespaces belong that are shared. */
struct SharedUsers {
  Fd users;
  IdMaps maps;
};

/** Namespaces of other containers that a container has in place of its own, held by a process of each, so that no number is taken for another's, and it is found from everywhere. */
class SharedNamespaces {
 public:
  /** Throws Failure with ESRCH when one of these containers has ended. */
  explicit SharedNamespaces(const Settings& settings);

  bool isNone() const { return members_.empty(); }

  /** Of these kinds (CLONE_NEW*) the calling process joins those that are shared, for good; of processes its children do. */
  void join(uint64_t kinds) const;

  /** A process of the container whose namespace of this kind is shared. Throws Failure when there is none. */
  const Fd& sharer(uint64_t kind) const;

  /** Throws Failure when it is the host's, or not the same for all. */
  SharedUsers openUsers() const;

 private:
  struct Member {
    uint64_t kind;
    pid_t process;
    Fd descriptor;
  };
  std::vector<Member> members_;
};

/** Kinds that are shared. */
uint64_t sharedKinds(const Settings& settings);
