#pragma once

#include <poll.h>

#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "../base/fd.h"

/**
 * The shim's socket: lines in both directions. A new caller is told the state first, and then each change:
 *   `running PID STARTED_NS`, `exited JSON` (see shim.h), `failed JSON`.
 * A caller may say `kill N`, answered in order by `killed 0`, or `killed ERRNO`. The connection closes when the shim is gone with all it made.
 */
class Control {
 public:
  using Kill = std::function<int(int signal)>;
  Control(Fd listener, Kill kill) : listener_(std::move(listener)), kill_(std::move(kill)) {}

  /** Adds what is to be watched. */
  void watch(std::vector<pollfd>& list) const;
  /** Accepts, reads and answers; to be called when one of them is ready. */
  void serve();
  /** Tells every caller, and those to come. */
  void setState(std::string line);

 private:
  struct Caller {
    Fd socket;
    std::string input;
  };

  void accept();
  /** False when the caller is gone or talks nonsense. */
  bool read(Caller& caller);
  bool execute(Caller& caller, const std::string& line);
  static bool tell(const Caller& caller, std::string_view line);

  Fd listener_;
  Kill kill_;
  std::string state_;
  std::list<Caller> callers_;
};
