#include "network.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <functional>

#include "../base/error.h"
#include "../base/file.h"
#include "../netlink/links.h"

namespace {

constexpr const char* INTERFACE = "eth0";

Fd networkOf(const std::string& process) { return openFile("/proc/" + process + "/ns/net", O_RDONLY); }

/** Runs `act` in a container's network, and comes back from it. */
void within(const Fd& network, pid_t process, const std::function<void()>& act) {
  const Fd home = networkOf("self");
  const auto enter = [&](const Fd& target) { check(setns(target.get(), CLONE_NEWNET), "join the network of process", std::to_string(process)); };
  enter(network);
  try {
    act();
  } catch (const Failure&) {
    enter(home);
    throw;
  }
  enter(home);
}

/** For links to come. The kernel may have been built, or started, without IPv6. */
void disableIpv6() {
  const Fd file(open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC));
  if (!file && errno == ENOENT) return;
  check(file.get(), "open", "disable_ipv6");
  check(static_cast<int>(write(file.get(), "1", 1)), "write to", "disable_ipv6");
}

}  // namespace

void connectNetwork(const NetworkSettings& network, pid_t process) {
  if (network.mode == "host" || network.mode == "container") return;
  const Fd inside = networkOf(std::to_string(process));
  const bool isBridged = network.mode == "bridge";
  if (isBridged) {
    within(inside, process, disableIpv6);
    Netlink netlink;
    createVeth(netlink, {network.hostInterface, network.bridge, INTERFACE, network.mac, network.mtu, process});
  }
  within(inside, process, [&] {
    Netlink netlink;
    bringUp(netlink, isBridged ? INTERFACE : "", network.address, network.gateway);
  });
}
