#pragma once

#include <poll.h>

#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "../base/fd.h"
#include "attachments.h"

/**
 * The shim's socket: lines in both directions. A new caller is told the state first, and then each change:
 *   `running PID STARTED_NS`, `exited JSON` (see shim.h), `failed JSON`.
 * A caller may say `kill N`, answered in order by `killed 0`, or `killed ERRNO`; `resize ROWS COLUMNS`, which nothing answers; and `attach WORD`, where the letters
 * i, o and e in WORD stand for the program's input, output and errors: after the answer `attached` the connection belongs to the streams (attachments.h).
 * The connection closes when the shim is gone with all it made.
 */
class Control {
 public:
  /** What callers can ask for. */
  struct Commands {
    std::function<int(int signal)> kill;
    std::function<void(unsigned short rows, unsigned short columns)> resize;
    std::function<void(Fd socket, AttachOptions options)> attach;
  };
  Control(Fd listener, Commands commands) : listener_(std::move(listener)), commands_(std::move(commands)) {}

  /** Adds what is to be watched; returns after how many milliseconds `serve` is to be called at the latest (-1: never). */
  int watch(std::vector<pollfd>& list) const;
  /** Accepts, reads and answers. */
  void serve();
  /** Callers that came, those who have left too. */
  size_t countSeen() const { return countSeen_; }
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
  bool attach(Caller& caller, const std::string& word);
  static bool tell(const Caller& caller, std::string_view line);

  Fd listener_;
  Commands commands_;
  std::string state_;
  std::list<Caller> callers_;
  size_t countSeen_ = 0;
  /** Somebody waits who cannot be let in for lack of descriptors: the listener is not watched meanwhile, since it would be ready all the time. */
  bool isHeldUp_ = false;
};
