#include "control.h"

#include <sys/socket.h>

#include <cstdio>

#include "../base/error.h"

namespace {

constexpr size_t CALLERS_MAX = 16;
constexpr size_t LINE_SIZE_MAX = 128;
constexpr int RETRY_MS = 1000;

}  // namespace

int Control::watch(std::vector<pollfd>& list) const {
  if (callers_.size() < CALLERS_MAX && !isHeldUp_) list.push_back({listener_.get(), POLLIN, 0});
  for (const Caller& caller : callers_) list.push_back({caller.socket.get(), POLLIN, 0});
  return isHeldUp_ ? RETRY_MS : -1;
}

void Control::serve() {
  accept();
  callers_.remove_if([this](Caller& caller) { return !read(caller); });
}

void Control::setState(std::string line) {
  state_ = std::move(line) + "\n";
  callers_.remove_if([this](const Caller& caller) { return !tell(caller, state_); });
}

void Control::accept() {
  while (callers_.size() < CALLERS_MAX) {
    Fd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    isHeldUp_ = !socket && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
    if (!socket) return;
    countSeen_++;
    Caller caller = {std::move(socket), ""};
    if (state_.empty() || tell(caller, state_)) callers_.push_back(std::move(caller));
  }
}

bool Control::tell(const Caller& caller, std::string_view line) {
  // A caller that does not read what fills a socket buffer is no caller.
  return send(caller.socket.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(line.size());
}

bool Control::read(Caller& caller) {
  for (;;) {
    char part[LINE_SIZE_MAX];
    const ssize_t count = retry([&] { return recv(caller.socket.get(), part, sizeof part, MSG_DONTWAIT); });
    if (count < 0) return errno == EAGAIN;
    if (count == 0) return false;
    caller.input.append(part, static_cast<size_t>(count));
    for (size_t end = caller.input.find('\n'); end != std::string::npos; end = caller.input.find('\n')) {
      if (!execute(caller, caller.input.substr(0, end))) return false;
      caller.input.erase(0, end + 1);
    }
    if (caller.input.size() > LINE_SIZE_MAX) return false;
  }
}

bool Control::execute(Caller& caller, const std::string& line) {
  int signal = 0;
  if (sscanf(line.c_str(), "kill %d", &signal) == 1) return tell(caller, "killed " + std::to_string(commands_.kill(signal)) + "\n");
  unsigned short rows = 0, columns = 0;
  if (sscanf(line.c_str(), "resize %hu %hu", &rows, &columns) == 2) {
    commands_.resize(rows, columns);
    return true;
  }
  return line.compare(0, 7, "attach ") == 0 && attach(caller, line.substr(7));
}

/** The socket leaves the callers. What it sends waits for the answer, by which it knows that it is attached. */
bool Control::attach(Caller& caller, const std::string& word) {
  const auto has = [&](char letter) { return word.find(letter) != std::string::npos; };
  if (!tell(caller, "attached\n")) return false;
  commands_.attach(std::move(caller.socket), {has('i'), has('o'), has('e')});
  return false;
}
