#include "address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "../base/error.h"

IpAddress parseIpAddress(const std::string& text) {
  IpAddress address = {};
  const size_t slash = text.find('/');
  const std::string host = text.substr(0, slash);
  address.family = host.find(':') == std::string::npos ? AF_INET : AF_INET6;
  address.size = address.family == AF_INET ? 4 : 16;
  if (inet_pton(address.family, host.c_str(), address.bytes.data()) != 1) failWith("\"" + text + "\" is not an IP address", EINVAL);
  unsigned long length = address.size * 8U;
  if (slash != std::string::npos) {
    char* end = nullptr;
    const char* digits = text.c_str() + slash + 1;
    length = strtoul(digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end != '\0' || length > address.size * 8U) failWith("\"" + text + "\" is not an IP address", EINVAL);
  }
  address.prefixLength = static_cast<unsigned char>(length);
  return address;
}

std::optional<std::array<unsigned char, 4>> broadcastOf(const IpAddress& address) {
  if (address.family != AF_INET || address.prefixLength > 30) return std::nullopt;
  std::array<unsigned char, 4> bytes;
  for (size_t i = 0; i < bytes.size(); i++) {
    const unsigned bits = static_cast<unsigned>(std::clamp(address.prefixLength - static_cast<int>(8 * i), 0, 8));
    bytes[i] = static_cast<unsigned char>(address.bytes[i] | (0xffU >> bits));
  }
  return bytes;
}

MacAddress parseMacAddress(const std::string& text) {
  MacAddress mac = {};
  char rest = 0;
  if (sscanf(text.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5], &rest) != 6) {
    failWith("\"" + text + "\" is not a MAC address", EINVAL);
  }
  return mac;
}

std::string formatMacAddress(const unsigned char* bytes) {
  char text[18];
  snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]);
  return text;
}
