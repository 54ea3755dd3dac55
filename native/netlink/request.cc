#include "request.h"

#include <linux/rtnetlink.h>

#include <cstring>

void Request::append(const void* data, size_t size) {
  if (size > 0) {
    const char* from = static_cast<const char*>(data);
    bytes_.insert(bytes_.end(), from, from + size);
  }
  bytes_.resize(NLMSG_ALIGN(bytes_.size()));
}

/** The message's length covers all of its attributes. */
void Request::grown() { reinterpret_cast<nlmsghdr*>(bytes_.data() + message_)->nlmsg_len = static_cast<uint32_t>(bytes_.size() - message_); }

void Request::beginRaw(uint16_t type, uint16_t flags, const void* header, size_t size) {
  message_ = bytes_.size();
  nlmsghdr head = {};
  head.nlmsg_type = type;
  head.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  head.nlmsg_seq = ++count_;
  append(&head, sizeof head);
  append(header, size);
  grown();
}

Request& Request::add(uint16_t type, const void* data, size_t size) {
  rtattr attribute = {};
  attribute.rta_type = type;
  attribute.rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
  append(&attribute, sizeof attribute);
  append(data, size);
  grown();
  return *this;
}

Request& Request::open(uint16_t type, const void* prefix, size_t prefixSize) {
  open_.push_back(bytes_.size());
  return add(type, prefix, prefixSize);
}

Request& Request::close() {
  const size_t start = open_.back();
  open_.pop_back();
  reinterpret_cast<rtattr*>(bytes_.data() + start)->rta_len = static_cast<uint16_t>(bytes_.size() - start);
  return *this;
}
