#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/** Messages for rtnetlink, built one after the other and sent in one go. */
class Request {
 public:
  /** Begins a message; its answer is awaited. `header` is the family's fixed part (ifinfomsg, ifaddrmsg, rtmsg). */
  template <typename Header>
  Request& begin(uint16_t type, uint16_t flags, const Header& header) {
    beginRaw(type, flags, &header, sizeof header);
    return *this;
  }
  Request& add(uint16_t type, const void* data, size_t size);
  Request& add(uint16_t type, uint32_t value) { return add(type, &value, sizeof value); }
  Request& add(uint16_t type, const std::string& text) { return add(type, text.c_str(), text.size() + 1); }
  /** Attributes until `close` are inside this one. `prefix` bytes of fixed data come first (VETH_INFO_PEER has an ifinfomsg). */
  Request& open(uint16_t type, const void* prefix = nullptr, size_t prefixSize = 0);
  Request& close();

  const std::vector<char>& bytes() const { return bytes_; }
  unsigned count() const { return count_; }

 private:
  void beginRaw(uint16_t type, uint16_t flags, const void* header, size_t size);
  void append(const void* data, size_t size);
  void grown();

  std::vector<char> bytes_;
  std::vector<size_t> open_;
  size_t message_ = 0;
  unsigned count_ = 0;
};
