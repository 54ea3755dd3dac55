#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "netlink.h"

struct VethSettings {
  std::string hostName;
  /** The host end becomes a port of this bridge. */
  std::string bridge;
  std::string peerName;
  std::string peerMac;
  unsigned mtu;
  /** Whose network namespace gets the peer. */
  pid_t peerProcess;
};

struct LinkInfo {
  int index;
  std::string name;
  std::string kind;
  std::string mac;
  unsigned mtu;
  bool isUp;
  int master;
  /** It is up, and so is its other end: what is sent to it gets through. */
  bool isRunning;
};

/** An address that is to be found at a hardware address on a link. */
struct Neighbour {
  std::string link;
  std::string address;
  std::string mac;
};

/** 0 when there is no such link. */
unsigned linkIndex(const std::string& name);
/** In one message; a link that has the host name already is removed first: it belonged to a container that is gone. */
void createVeth(Netlink& netlink, const VethSettings& settings);
/** Loopback up; with `name`, that link up with its address and the default route. Empty address or gateway leaves it out. */
void bringUp(Netlink& netlink, const std::string& name, const std::string& address, const std::string& gateway);

void createBridge(Netlink& netlink, const std::string& name, const std::string& address, unsigned mtu);
bool deleteLink(Netlink& netlink, const std::string& name);
/** Throws for an unknown link. */
LinkInfo readLink(Netlink& netlink, const std::string& name);
/** Who has waited for the neighbour to answer goes on at once. Whether it still is there is found out as for any other. */
void setNeighbour(Netlink& netlink, const Neighbour& neighbour);
std::vector<LinkInfo> listLinks(Netlink& netlink, const std::string& prefix);
void addAddress(Netlink& netlink, const std::string& name, const std::string& address);
void setLinkUp(Netlink& netlink, const std::string& name, bool isUp);
