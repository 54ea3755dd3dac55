#pragma once

#include <poll.h>

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "../base/fd.h"

/** What an attacher takes part in. */
struct AttachOptions {
  bool input = false;
  bool output = false;
  bool errors = false;
};

/** Numbers of Docker's frames. */
enum class StreamKind : unsigned char { output = 1, errors = 2 };

/**
 * The sockets of those who are attached. Each gets the program's output: as it is when the program has a terminal, else in Docker's frames (stream number, three zero
 * bytes, length as 4 bytes big-endian, payload). What an attacher sends goes to the program's standard input.
 *
 * Nobody loses anything and nothing grows without bound: an attacher that does not read holds up the program, as a full pipe would. After 30 s in which it has
 * taken nothing it is let go, and the program runs on.
 */
class Attachments {
 public:
  explicit Attachments(bool isTerminal) : isTerminal_(isTerminal) {}

  void add(Fd socket, AttachOptions options);
  size_t countSeen() const { return countSeen_; }

  /** False while somebody has not taken what it was sent: then there is nothing to be read from the program. */
  bool canTake() const;
  void send(StreamKind kind, std::string_view data);

  /** The program's standard input, from now on; none takes what is sent and drops it. `isOnce`: it ends with the first attacher that ends its own. */
  void setInput(Fd input, bool isOnce);

  /** Adds what is to be watched; returns after how many milliseconds `serve` is to be called at the latest (-1: never). */
  int watch(std::vector<pollfd>& list) const;
  /** Moves what can be moved. */
  void serve();
  bool isEmpty() const { return attachers_.empty(); }
  /** Sends what is left, for at most `timeoutMs`, and lets everyone go. */
  void finish(int timeoutMs);

 private:
  struct Attacher {
    Fd socket;
    AttachOptions options;
    std::string pending;
    uint64_t stalledSinceNs = 0;
  };

  /** Sends what the socket takes and keeps the rest. False when it is gone. */
  bool pass(Attacher& attacher, const std::string& head, std::string_view data);
  void queue(Attacher& attacher, std::string_view data);
  /** False when it is gone, or was given up. */
  bool flush(Attacher& attacher);
  bool receive(Attacher& attacher);
  void flushInput();

  bool isTerminal_;
  std::list<Attacher> attachers_;
  size_t countSeen_ = 0;
  Fd input_;
  /** Until it is, what attachers send waits in their sockets. */
  bool isInputKnown_ = false;
  bool isInputOnce_ = false;
  bool isInputEnding_ = false;
  /** Received, but not yet taken by the program. */
  std::string inputPending_;
};
