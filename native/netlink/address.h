#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

/** An IPv4 or IPv6 address with its prefix length. */
struct IpAddress {
  unsigned char family;
  unsigned char prefixLength;
  unsigned char size;
  std::array<unsigned char, 16> bytes;
};

/** `10.0.0.2/24`; without a prefix length, all bits. Throws for anything else. */
IpAddress parseIpAddress(const std::string& text);

/** The last address of an IPv4 network that has more than two. */
std::optional<std::array<unsigned char, 4>> broadcastOf(const IpAddress& address);

using MacAddress = std::array<unsigned char, 6>;

/** `02:42:0a:00:00:02`. */
MacAddress parseMacAddress(const std::string& text);
std::string formatMacAddress(const unsigned char* bytes);
