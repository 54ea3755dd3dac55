#include "control.h"

#include <sys/socket.h>

#include <cstdio>

#include "../base/error.h"

namespace {

constexpr size_t CALLERS_MAX = 16;
constexpr size_t LINE_SIZE_MAX = 128;

}  // namespace

void Control::watch(std::vector<pollfd>& list) const {
  if (callers_.size() < CALLERS_MAX) list.push_back({listener_.get(), POLLIN, 0});
  for (const Caller& caller : callers_) list.push_back({caller.socket.get(), POLLIN, 0});
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
    if (!socket) return;
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
  if (sscanf(line.c_str(), "kill %d", &signal) != 1) return false;
  return tell(caller, "killed " + std::to_string(kill_(signal)) + "\n");
}
