#include "resources.h"

#include <algorithm>

#include "../base/error.h"
#include "fields.h"

namespace {

std::string decimal(int64_t value) { return std::to_string(value); }
/** Version 2 has a word for no limit. */
std::string orMax(int64_t value) { return value < 0 ? "max" : decimal(value); }

void takeMemory(Limits& limits, const Json& memory) {
  const std::string where = "linux.resources.memory";
  const auto number = [&](const char* name) { return numberOf(memory, name, where, 0); };
  const int64_t limit = number("limit"), swap = number("swap"), reservation = number("reservation"), tcp = number("kernelTCP");
  if (swap > 0 && (limit <= 0 || swap < limit)) failWith(where + ".swap, which counts memory too, needs a limit of memory that is not above it", EINVAL);
  if (limit != 0) limits.set({"memory", "memory.limit_in_bytes", decimal(limit), "memory.max", orMax(limit)});
  if (reservation != 0) limits.set({"memory", "memory.soft_limit_in_bytes", decimal(reservation), "memory.low", orMax(reservation)});
  // Version 1 limits both together, version 2 swap alone.
  if (swap != 0) limits.set({"memory", "memory.memsw.limit_in_bytes", decimal(swap), "memory.swap.max", orMax(swap < 0 ? swap : swap - limit)});
  if (tcp != 0) limits.set({"memory", "memory.kmem.tcp.limit_in_bytes", decimal(tcp), "", ""});
  if (!memory["swappiness"].isNull()) limits.set({"memory", "memory.swappiness", decimal(number("swappiness")), "", ""});
  if (flagOf(memory, "disableOOMKiller", where)) limits.set({"memory", "memory.oom_control", "1", "", ""});
  if (number("kernel") > 0) failWith(where + ".kernel is not supported: kernels do not limit it apart any more", ENOSYS);
  if (!memory["useHierarchy"].isNull() && !flagOf(memory, "useHierarchy", where)) failWith(where + ".useHierarchy cannot be false: kernels count what is below to a group", ENOSYS);
}

void takeCpu(Limits& limits, const Json& cpu) {
  const std::string where = "linux.resources.cpu";
  const auto number = [&](const char* name) { return numberOf(cpu, name, where, 0); };
  const int64_t shares = number("shares"), quota = number("quota"), period = number("period"), burst = number("burst");
  // The OCI runtimes' conversion of [2, 262144] to [1, 10000].
  if (shares != 0) limits.set({"cpu", "cpu.shares", decimal(shares), "cpu.weight", decimal(1 + (std::clamp<int64_t>(shares, 2, 262144) - 2) * 9999 / 262142)});
  if (limits.isLegacy("cpu")) {
    if (period != 0) limits.set({"cpu", "cpu.cfs_period_us", decimal(period), "", ""});
    if (quota != 0) limits.set({"cpu", "cpu.cfs_quota_us", decimal(quota), "", ""});
  } else if (quota != 0 || period != 0) {
    limits.set({"cpu", "", "", "cpu.max", (quota > 0 ? decimal(quota) : "max") + " " + decimal(period == 0 ? 100000 : period)});
  }
  if (burst != 0) limits.set({"cpu", "cpu.cfs_burst_us", decimal(burst), "cpu.max.burst", decimal(burst)});
  if (number("realtimePeriod") != 0) limits.set({"cpu", "cpu.rt_period_us", decimal(number("realtimePeriod")), "", ""});
  if (number("realtimeRuntime") != 0) limits.set({"cpu", "cpu.rt_runtime_us", decimal(number("realtimeRuntime")), "", ""});
  if (!cpu["idle"].isNull()) limits.set({"cpu", "cpu.idle", decimal(number("idle")), "cpu.idle", decimal(number("idle"))});
  const std::string cpus = textOf(cpu, "cpus", where), mems = textOf(cpu, "mems", where);
  if (!cpus.empty()) limits.set({"cpuset", "cpuset.cpus", cpus, "cpuset.cpus", cpus});
  if (!mems.empty()) limits.set({"cpuset", "cpuset.mems", mems, "cpuset.mems", mems});
}

/** Weights from 10 to 1000 are from 1 to 10000 in the cost model of version 2, which is used where the bfq scheduler is not. */
std::string costWeight(int64_t weight) { return decimal(1 + (std::clamp<int64_t>(weight, 10, 1000) - 10) * 9999 / 990); }

void takeWeights(Limits& limits, const Json& io, const std::string& where) {
  const auto set = [&](const std::string& device, int64_t weight) {
    const std::string suffix = device.empty() ? "" : "_device", text = device + decimal(weight);
    limits.set({"blkio", "blkio.bfq.weight" + suffix + "|blkio.weight" + suffix, text + "|" + text, "io.bfq.weight|io.weight", text + "|" + device + costWeight(weight)});
  };
  const auto leafIs = [&](const Json& object) {
    if (numberOf(object, "leafWeight", where, 0) != 0) failWith(where + ".leafWeight is not supported: kernels do not have it any more", ENOSYS);
  };
  leafIs(io);
  const int64_t weight = numberOf(io, "weight", where, 0);
  if (weight != 0) set("", weight);
  for (const Json& item : itemsOf(io, "weightDevice", where)) {
    leafIs(item);
    set(decimal(numberOf(item, "major", where, 0)) + ":" + decimal(numberOf(item, "minor", where, 0)) + " ", numberOf(item, "weight", where, 0));
  }
}

void takeBlockIo(Limits& limits, const Json& io) {
  const std::string where = "linux.resources.blockIO";
  takeWeights(limits, io, where);
  static const struct {
    const char* name;
    const char* legacy;
    const char* key;
  } THROTTLES[] = {{"throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"},
                   {"throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"},
                   {"throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"},
                   {"throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"}};
  for (const auto& throttle : THROTTLES) {
    for (const Json& item : itemsOf(io, throttle.name, where)) {
      const std::string device = decimal(numberOf(item, "major", where, 0)) + ":" + decimal(numberOf(item, "minor", where, 0)) + " ";
      const int64_t rate = numberOf(item, "rate", where, 0);
      limits.set({"blkio", throttle.legacy, device + decimal(rate), "io.max", device + throttle.key + "=" + orMax(rate == 0 ? -1 : rate)});
    }
  }
}

void takeHugePages(Limits& limits, const Json& resources) {
  const std::string where = "linux.resources.hugepageLimits";
  for (const Json& page : itemsOf(resources, "hugepageLimits", "linux.resources")) {
    const std::string size = textOf(page, "pageSize", where), prefix = "hugetlb." + size, limit = std::to_string(limitOf(page, "limit", where));
    if (size.empty() || size.find('/') != std::string::npos) failWith(where + ".pageSize \"" + size + "\" is not a size", EINVAL);
    limits.set({"hugetlb", prefix + ".limit_in_bytes", limit, prefix + ".max", limit});
    // What is only reserved counts too, where the kernel counts it.
    limits.set({"hugetlb", prefix + ".rsvd.limit_in_bytes|", limit + "|", prefix + ".rsvd.max|", limit + "|"});
  }
}

void takeNetwork(Limits& limits, const Json& network) {
  const std::string where = "linux.resources.network";
  if (!network["classID"].isNull()) limits.set({"net_cls", "net_cls.classid", decimal(numberOf(network, "classID", where, 0)), "", ""});
  for (const Json& item : itemsOf(network, "priorities", where)) {
    limits.set({"net_prio", "net_prio.ifpriomap", textOf(item, "name", where) + " " + decimal(numberOf(item, "priority", where, 0)), "", ""});
  }
}

void takeRdma(Limits& limits, const Json& rdma) {
  for (const auto& [device, entry] : rdma.members()) {
    const auto part = [&, &values = entry](const char* key, const char* name) {
      return values[name].isNull() ? "" : std::string(" ") + key + "=" + decimal(numberOf(values, name, "linux.resources.rdma", 0));
    };
    const std::string text = device + part("hca_handle", "hcaHandles") + part("hca_object", "hcaObjects");
    limits.set({"rdma", "rdma.max", text, "rdma.max", text});
  }
}

}  // namespace

void takeResources(Limits& limits, const Json& resources) {
  takeMemory(limits, resources["memory"]);
  takeCpu(limits, resources["cpu"]);
  takeBlockIo(limits, resources["blockIO"]);
  const int64_t pids = numberOf(resources["pids"], "limit", "linux.resources.pids", 0);
  if (pids != 0) limits.set({"pids", "pids.max", orMax(pids), "pids.max", orMax(pids)});
  takeHugePages(limits, resources);
  takeNetwork(limits, resources["network"]);
  takeRdma(limits, resources["rdma"]);
  for (const auto& [file, text] : resources["unified"].members()) {
    if (file.find('/') != std::string::npos) failWith("linux.resources.unified has the file \"" + file + "\", which is a path", EINVAL);
    limits.setUnified(file, text.literal());
  }
}
