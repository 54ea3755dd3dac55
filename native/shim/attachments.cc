#include "attachments.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "../base/error.h"
#include "../base/file.h"
#include "../base/monotonic.h"

namespace {

constexpr uint64_t PATIENCE_NS = 30ULL * 1000000000ULL;
constexpr uint64_t CLOSING_NS = 2ULL * 1000000000ULL;
constexpr size_t PART_SIZE = 16384;

std::string frameHead(StreamKind kind, size_t size) {
  std::string head(8, '\0');
  head[0] = static_cast<char>(kind);
  for (unsigned byte = 0; byte < 4; byte++) head[4 + byte] = static_cast<char>(size >> (24 - 8 * byte));
  return head;
}

/** Drops what has come. True once the other side has closed. */
bool isClosed(int socket) {
  for (;;) {
    char part[PART_SIZE];
    const ssize_t count = retry([&] { return recv(socket, part, sizeof part, MSG_DONTWAIT); });
    if (count <= 0) return count == 0 || errno != EAGAIN;
  }
}

}  // namespace

void Attachments::add(Fd socket, AttachOptions options) {
  countSeen_++;
  attachers_.push_back({std::move(socket), options, "", 0});
}

bool Attachments::canTake() const {
  for (const Attacher& attacher : attachers_) {
    if (!attacher.pending.empty()) return false;
  }
  return true;
}

void Attachments::send(StreamKind kind, std::string_view data) {
  for (auto attacher = attachers_.begin(); attacher != attachers_.end();) {
    const bool isWanted = isTerminal_ ? attacher->options.output || attacher->options.errors
                                      : (kind == StreamKind::output ? attacher->options.output : attacher->options.errors);
    attacher = !isWanted || pass(*attacher, isTerminal_ ? "" : frameHead(kind, data.size()), data) ? std::next(attacher) : attachers_.erase(attacher);
  }
}

bool Attachments::pass(Attacher& attacher, const std::string& head, std::string_view data) {
  size_t sent = 0;
  if (attacher.pending.empty()) {
    iovec parts[] = {{const_cast<char*>(head.data()), head.size()}, {const_cast<char*>(data.data()), data.size()}};
    msghdr message = {};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t count = retry([&] { return sendmsg(attacher.socket.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
    if (count < 0 && errno != EAGAIN) return false;
    if (count > 0) sent = static_cast<size_t>(count);
  }
  if (sent < head.size()) queue(attacher, head.substr(sent));
  const size_t begun = sent > head.size() ? sent - head.size() : 0;
  if (begun < data.size()) queue(attacher, data.substr(begun));
  return true;
}

void Attachments::queue(Attacher& attacher, std::string_view data) {
  if (attacher.pending.empty()) attacher.stalledSinceNs = monotonicNs();
  attacher.pending.append(data);
}

bool Attachments::flush(Attacher& attacher) {
  while (!attacher.pending.empty()) {
    const ssize_t sent = retry([&] { return ::send(attacher.socket.get(), attacher.pending.data(), attacher.pending.size(), MSG_NOSIGNAL | MSG_DONTWAIT); });
    if (sent < 0 && errno == EAGAIN) return monotonicNs() - attacher.stalledSinceNs < PATIENCE_NS;
    if (sent < 0) return false;
    attacher.stalledSinceNs = monotonicNs();
    attacher.pending.erase(0, static_cast<size_t>(sent));
  }
  if (attacher.pending.capacity() > 4 * PART_SIZE) attacher.pending.shrink_to_fit();
  return true;
}

void Attachments::setInput(Fd input, bool isOnce) {
  isInputKnown_ = true;
  input_ = std::move(input);
  isInputOnce_ = isOnce;
  if (input_) makeNonBlocking(input_.get());
}

int Attachments::watch(std::vector<pollfd>& list) const {
  int timeoutMs = -1;
  for (const Attacher& attacher : attachers_) {
    // What it sends waits in its socket until the program has taken what came before. Without interest in either, only its end is told.
    short events = attacher.options.input && isInputKnown_ && inputPending_.empty() ? POLLIN : 0;
    if (!attacher.pending.empty()) {
      events |= POLLOUT;
      timeoutMs = 1000;
    }
    list.push_back({attacher.socket.get(), events, 0});
  }
  if (input_ && !inputPending_.empty()) list.push_back({input_.get(), POLLOUT, 0});
  return timeoutMs;
}

void Attachments::serve() {
  flushInput();
  for (auto attacher = attachers_.begin(); attacher != attachers_.end();) {
    attacher = flush(*attacher) && receive(*attacher) ? std::next(attacher) : attachers_.erase(attacher);
  }
  flushInput();
}

bool Attachments::receive(Attacher& attacher) {
  pollfd state = {attacher.socket.get(), POLLIN, 0};
  if (poll(&state, 1, 0) <= 0) return true;
  if (!attacher.options.input || !isInputKnown_) return (state.revents & (POLLHUP | POLLERR)) == 0;
  while (inputPending_.empty()) {
    char part[PART_SIZE];
    const ssize_t count = retry([&] { return recv(attacher.socket.get(), part, sizeof part, MSG_DONTWAIT); });
    if (count < 0) return errno == EAGAIN;
    if (count == 0) {
      attacher.options.input = false;
      if (isInputOnce_ && !isTerminal_) isInputEnding_ = true;
      return (state.revents & (POLLHUP | POLLERR)) == 0;
    }
    if (input_) inputPending_.assign(part, static_cast<size_t>(count));
    flushInput();
  }
  return true;
}

void Attachments::flushInput() {
  while (input_ && !inputPending_.empty()) {
    const ssize_t written = retry([&] { return write(input_.get(), inputPending_.data(), inputPending_.size()); });
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0) {
      // The program has closed its standard input: what is sent to it from now on goes nowhere, as in Docker.
      input_.reset();
      break;
    }
    inputPending_.erase(0, static_cast<size_t>(written));
  }
  if (!input_) inputPending_.clear();
  if (isInputEnding_) input_.reset();
}

void Attachments::finish(int timeoutMs) {
  input_.reset();
  const uint64_t deadline = monotonicNs() + static_cast<uint64_t>(timeoutMs) * 1000000ULL;
  while (!canTake() && monotonicNs() < deadline) {
    std::vector<pollfd> list;
    for (const Attacher& attacher : attachers_) {
      if (!attacher.pending.empty()) list.push_back({attacher.socket.get(), POLLOUT, 0});
    }
    poll(list.data(), list.size(), 100);
    attachers_.remove_if([this](Attacher& attacher) { return !flush(attacher); });
  }
  for (const Attacher& attacher : attachers_) shutdown(attacher.socket.get(), SHUT_WR);
  // A socket that is closed with something unread in it counts as broken, and its reader may lose what it was sent: so the other side closes first.
  const uint64_t closing = std::min(deadline, monotonicNs() + CLOSING_NS);
  while (!attachers_.empty() && monotonicNs() < closing) {
    std::vector<pollfd> list;
    for (const Attacher& attacher : attachers_) list.push_back({attacher.socket.get(), POLLIN, 0});
    poll(list.data(), list.size(), 100);
    attachers_.remove_if([](const Attacher& attacher) { return isClosed(attacher.socket.get()); });
  }
  attachers_.clear();
}
