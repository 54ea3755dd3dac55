#include "network.h"

#include <fcntl.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <functional>

#include "../base/error.h"
#include "../base/file.h"
#include "../netlink/links.h"

namespace {

constexpr const char* INTERFACE = "eth0";
/** Of a millisecond each: usually one or none. */
constexpr int ATTEMPTS = 500;

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

void announceNetwork(const NetworkSettings& network) {
  if (network.mode != "bridge") return;
  try {
    Netlink netlink;
    for (int attempt = 0; attempt < ATTEMPTS && !(readLink(netlink, network.hostInterface).isRunning && readLink(netlink, network.bridge).isRunning); attempt++) {
      const timespec pause = {0, 1000000};
      nanosleep(&pause, nullptr);
    }
    setNeighbour(netlink, {network.bridge, network.address.substr(0, network.address.find('/')), network.mac});
  } catch (const Failure&) {
    // Its program has ended already, or who calls waits a little longer.
  }
}

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
