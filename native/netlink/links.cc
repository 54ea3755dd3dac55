#include "links.h"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include "../base/error.h"
#include "address.h"

namespace {

ifinfomsg linkHeader(unsigned index, unsigned flags = 0, unsigned change = 0) {
  ifinfomsg header = {};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = static_cast<int>(index);
  header.ifi_flags = flags;
  header.ifi_change = change;
  return header;
}

unsigned requireLink(const std::string& name) {
  const unsigned index = linkIndex(name);
  if (index == 0) fail("link", name, ENODEV);
  return index;
}

void requireName(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ || name.find_first_of("/ \t\n:") != std::string::npos) failWith("\"" + name + "\" is not a name for a link", EINVAL);
}

void addAddressTo(Request& request, unsigned index, const std::string& text) {
  const IpAddress address = parseIpAddress(text);
  ifaddrmsg header = {};
  header.ifa_family = address.family;
  header.ifa_prefixlen = address.prefixLength;
  header.ifa_index = index;
  request.begin(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, header);
  request.add(IFA_LOCAL, address.bytes.data(), address.size).add(IFA_ADDRESS, address.bytes.data(), address.size);
  // The kernel routes to it by itself, but tells programs only what it was told (netdevice(7), SIOCGIFBRDADDR).
  if (const auto broadcast = broadcastOf(address)) request.add(IFA_BROADCAST, broadcast->data(), broadcast->size());
}

void addDefaultRoute(Request& request, const std::string& gateway) {
  const IpAddress address = parseIpAddress(gateway);
  rtmsg header = {};
  header.rtm_family = address.family;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_BOOT;
  header.rtm_type = RTN_UNICAST;
  request.begin(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, header).add(RTA_GATEWAY, address.bytes.data(), address.size);
}

Request vethRequest(const VethSettings& settings, unsigned bridge) {
  const MacAddress mac = parseMacAddress(settings.peerMac);
  const ifinfomsg peer = linkHeader(0);
  Request request;
  request.begin(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, linkHeader(0, IFF_UP, IFF_UP));
  request.add(IFLA_IFNAME, settings.hostName).add(IFLA_MTU, settings.mtu).add(IFLA_MASTER, bridge);
  // One queue on each side: the kernel would make one for each of the machine's processors, and use the first.
  request.add(IFLA_NUM_TX_QUEUES, 1U).add(IFLA_NUM_RX_QUEUES, 1U);
  // The peer is brought up from inside: IFF_UP on it here fails with ENOTCONN.
  request.open(IFLA_LINKINFO).add(IFLA_INFO_KIND, std::string("veth")).open(IFLA_INFO_DATA).open(VETH_INFO_PEER, &peer, sizeof peer);
  request.add(IFLA_IFNAME, settings.peerName).add(IFLA_MTU, settings.mtu).add(IFLA_NET_NS_PID, static_cast<uint32_t>(settings.peerProcess));
  request.add(IFLA_NUM_TX_QUEUES, 1U).add(IFLA_NUM_RX_QUEUES, 1U);
  request.add(IFLA_ADDRESS, mac.data(), mac.size()).close().close().close();
  return request;
}

/** A port of a bridge sends nothing of its own: without an address it looks for no neighbours. A kernel without IPv6 refuses, and need not be told. */
void leaveWithoutIpv6Address(Netlink& netlink, const std::string& name) {
  const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
  Request request;
  request.begin(RTM_NEWLINK, NLM_F_ACK, linkHeader(0)).add(IFLA_IFNAME, name);
  request.open(IFLA_AF_SPEC).open(AF_INET6).add(IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none).close().close();
  const int error = netlink.tryRun(request, "set address generation");
  if (error != 0 && error != EAFNOSUPPORT) fail("set address generation", name, error);
}

LinkInfo parseLink(const nlmsghdr& head) {
  const auto* header = static_cast<const ifinfomsg*>(NLMSG_DATA(&head));
  LinkInfo link = {header->ifi_index, "", "", "", 0, (header->ifi_flags & IFF_UP) != 0, 0, (header->ifi_flags & IFF_RUNNING) != 0};
  int size = static_cast<int>(head.nlmsg_len - NLMSG_LENGTH(sizeof *header));
  for (auto* item = IFLA_RTA(header); RTA_OK(item, size); item = RTA_NEXT(item, size)) {
    const auto* data = static_cast<const unsigned char*>(RTA_DATA(item));
    switch (item->rta_type & NLA_TYPE_MASK) {
      case IFLA_IFNAME: link.name = reinterpret_cast<const char*>(data); break;
      case IFLA_MTU: link.mtu = *reinterpret_cast<const unsigned*>(data); break;
      case IFLA_MASTER: link.master = *reinterpret_cast<const int*>(data); break;
      case IFLA_ADDRESS: if (RTA_PAYLOAD(item) == 6) link.mac = formatMacAddress(data); break;
      case IFLA_LINKINFO: {
        int inner = static_cast<int>(RTA_PAYLOAD(item));
        for (auto* info = static_cast<rtattr*>(RTA_DATA(item)); RTA_OK(info, inner); info = RTA_NEXT(info, inner)) {
          if (info->rta_type == IFLA_INFO_KIND) link.kind = static_cast<const char*>(RTA_DATA(info));
        }
        break;
      }
      default: break;
    }
  }
  return link;
}

}  // namespace

unsigned linkIndex(const std::string& name) { return if_nametoindex(name.c_str()); }

void createVeth(Netlink& netlink, const VethSettings& settings) {
  requireName(settings.hostName);
  const Request request = vethRequest(settings, requireLink(settings.bridge));
  int error = netlink.tryRun(request, "create veth");
  if (error == EEXIST) {
    deleteLink(netlink, settings.hostName);
    error = netlink.tryRun(request, "create veth");
  }
  if (error != 0) fail("create veth", settings.hostName, error);
  leaveWithoutIpv6Address(netlink, settings.hostName);
}

void bringUp(Netlink& netlink, const std::string& name, const std::string& address, const std::string& gateway) {
  Request request;
  request.begin(RTM_NEWLINK, NLM_F_ACK, linkHeader(1, IFF_UP, IFF_UP));
  if (!name.empty()) {
    const unsigned index = requireLink(name);
    request.begin(RTM_NEWLINK, NLM_F_ACK, linkHeader(index, IFF_UP, IFF_UP));
    if (!address.empty()) addAddressTo(request, index, address);
    if (!gateway.empty()) addDefaultRoute(request, gateway);
  }
  netlink.run(request, "bring up the network");
}

void createBridge(Netlink& netlink, const std::string& name, const std::string& address, unsigned mtu) {
  requireName(name);
  const IpAddress ip = parseIpAddress(address);
  // A bridge without an address of its own takes that of a port, and changes it when ports come and go: neighbours would lose their gateway.
  const MacAddress mac = {0x02, 0x42, ip.bytes[0], ip.bytes[1], ip.bytes[2], ip.bytes[3]};
  Request create;
  create.begin(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, linkHeader(0)).add(IFLA_IFNAME, name).add(IFLA_MTU, mtu).add(IFLA_ADDRESS, mac.data(), mac.size());
  create.open(IFLA_LINKINFO).add(IFLA_INFO_KIND, std::string("bridge")).close();
  const int error = netlink.tryRun(create, "create bridge");
  if (error != 0 && error != EEXIST) fail("create bridge", name, error);
  const unsigned index = requireLink(name);
  if (error == EEXIST) {
    for (const LinkInfo& link : listLinks(netlink, name)) {
      if (link.name == name && link.kind != "bridge") failWith("link " + name + " is not a bridge", EEXIST);
    }
  }
  Request configure;
  configure.begin(RTM_NEWLINK, NLM_F_ACK, linkHeader(index, IFF_UP, IFF_UP)).add(IFLA_MTU, mtu);
  addAddressTo(configure, index, address);
  netlink.run(configure, "configure bridge " + name);
}

bool deleteLink(Netlink& netlink, const std::string& name) {
  const unsigned index = linkIndex(name);
  if (index == 0) return false;
  Request request;
  request.begin(RTM_DELLINK, NLM_F_ACK, linkHeader(index));
  const int error = netlink.tryRun(request, "delete link");
  if (error != 0 && error != ENODEV) fail("delete link", name, error);
  return error == 0;
}

LinkInfo readLink(Netlink& netlink, const std::string& name) {
  LinkInfo link = {};
  Request request;
  request.begin(RTM_GETLINK, NLM_F_ACK, linkHeader(requireLink(name)));
  netlink.dump(request, "read link " + name, [&](const nlmsghdr& head) { link = parseLink(head); });
  return link;
}

void setNeighbour(Netlink& netlink, const Neighbour& neighbour) {
  const IpAddress address = parseIpAddress(neighbour.address);
  const MacAddress mac = parseMacAddress(neighbour.mac);
  ndmsg header = {};
  header.ndm_family = address.family;
  header.ndm_ifindex = static_cast<int>(requireLink(neighbour.link));
  header.ndm_state = NUD_STALE;
  Request request;
  request.begin(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, header).add(NDA_DST, address.bytes.data(), address.size).add(NDA_LLADDR, mac.data(), mac.size());
  netlink.run(request, "set neighbour " + neighbour.address + " of " + neighbour.link);
}

std::vector<LinkInfo> listLinks(Netlink& netlink, const std::string& prefix) {
  std::vector<LinkInfo> links;
  Request request;
  request.begin(RTM_GETLINK, NLM_F_DUMP, linkHeader(0));
  netlink.dump(request, "list links", [&](const nlmsghdr& head) {
    if (head.nlmsg_type != RTM_NEWLINK) return;
    LinkInfo link = parseLink(head);
    if (link.name.compare(0, prefix.size(), prefix) == 0) links.push_back(std::move(link));
  });
  return links;
}

void addAddress(Netlink& netlink, const std::string& name, const std::string& address) {
  Request request;
  addAddressTo(request, requireLink(name), address);
  netlink.run(request, "add address " + address + " to " + name);
}

void setLinkUp(Netlink& netlink, const std::string& name, bool isUp) {
  Request request;
  request.begin(RTM_NEWLINK, NLM_F_ACK, linkHeader(requireLink(name), isUp ? static_cast<unsigned>(IFF_UP) : 0U, IFF_UP));
  netlink.run(request, (isUp ? "set up " : "set down ") + name);
}
