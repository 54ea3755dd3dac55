#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>

#include "../base/cgroup-folder.h"
#include "../base/error.h"
#include "../base/file.h"
#include "../netlink/links.h"
#include "environment.h"

/** What Node.js cannot do itself. The typed face of this is src/kernel/native-kernel.ts. */
namespace {

constexpr size_t ARGUMENTS_MAX = 4;
using Arguments = std::array<napi_value, ARGUMENTS_MAX>;
using Call = napi_value (*)(const Environment&, const Arguments&);

/** Entry of every call: exceptions end here. */
template <Call call>
napi_value enter(napi_env env, napi_callback_info info) {
  const Environment environment(env);
  try {
    Arguments arguments = {};
    size_t count = ARGUMENTS_MAX;
    environment.check(napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr));
    return call(environment, arguments);
  } catch (const PendingException&) {
    return nullptr;
  } catch (const Failure& failure) {
    napi_throw(env, environment.error(failure.text, failure.error));
    return nullptr;
  }
}

const Answer NOTHING = [](const Environment& environment) { return environment.undefined(); };

napi_value createBridgeCall(const Environment& environment, const Arguments& arguments) {
  return runAside(environment, "createBridge", [name = environment.text(arguments[0]), address = environment.text(arguments[1]), mtu = environment.number(arguments[2])] {
    Netlink netlink;
    createBridge(netlink, name, address, mtu);
    return NOTHING;
  });
}

napi_value deleteLinkCall(const Environment& environment, const Arguments& arguments) {
  return runAside(environment, "deleteLink", [name = environment.text(arguments[0])]() -> Answer {
    Netlink netlink;
    const bool wasThere = deleteLink(netlink, name);
    return [wasThere](const Environment& back) { return back.value(wasThere); };
  });
}

napi_value toJavaScript(const Environment& environment, const LinkInfo& link) {
  napi_value object = environment.object();
  environment.set(object, "index", environment.value(static_cast<double>(link.index)));
  environment.set(object, "name", environment.value(link.name));
  environment.set(object, "kind", environment.value(link.kind));
  environment.set(object, "macAddress", environment.value(link.mac));
  environment.set(object, "mtu", environment.value(static_cast<double>(link.mtu)));
  environment.set(object, "isUp", environment.value(link.isUp));
  environment.set(object, "master", environment.value(static_cast<double>(link.master)));
  return object;
}

napi_value listLinksCall(const Environment& environment, const Arguments& arguments) {
  return runAside(environment, "listLinks", [prefix = environment.text(arguments[0])]() -> Answer {
    Netlink netlink;
    return [links = listLinks(netlink, prefix)](const Environment& back) {
      napi_value array = back.array();
      uint32_t index = 0;
      for (const LinkInfo& link : links) back.set(array, index++, toJavaScript(back, link));
      return array;
    };
  });
}

napi_value addAddressCall(const Environment& environment, const Arguments& arguments) {
  return runAside(environment, "addAddress", [name = environment.text(arguments[0]), address = environment.text(arguments[1])] {
    Netlink netlink;
    addAddress(netlink, name, address);
    return NOTHING;
  });
}

napi_value setLinkUpCall(const Environment& environment, const Arguments& arguments) {
  return runAside(environment, "setLinkUp", [name = environment.text(arguments[0]), isUp = environment.boolean(arguments[1])] {
    Netlink netlink;
    setLinkUp(netlink, name, isUp);
    return NOTHING;
  });
}

/** The descriptor that holds the lock. */
napi_value lockFileCall(const Environment& environment, const Arguments& arguments) {
  const std::string path = environment.text(arguments[0]);
  Fd file = openFile(path, O_RDWR | O_CREAT, 0600);
  check(flock(file.get(), LOCK_EX | LOCK_NB), "lock", path);
  return environment.value(static_cast<double>(file.release()));
}

napi_value closeFileCall(const Environment& environment, const Arguments& arguments) {
  close(static_cast<int>(environment.number(arguments[0])));
  return environment.undefined();
}

napi_value sendDatagramCall(const Environment& environment, const Arguments& arguments) {
  const std::string path = environment.text(arguments[0]);
  void* data = nullptr;
  size_t size = 0;
  environment.check(napi_get_buffer_info(environment.raw(), arguments[1], &data, &size));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) failWith("socket path " + path + " is longer than the kernel takes", ENAMETOOLONG);
  memcpy(address.sun_path, path.c_str(), path.size());
  const Fd sender(check(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  const ssize_t sent = retry([&] { return sendto(sender.get(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), sizeof address); });
  check(static_cast<int>(sent), "send a datagram to", path);
  return environment.undefined();
}

napi_value killGroupCall(const Environment& environment, const Arguments& arguments) {
  return runAside(environment, "killGroup", [path = environment.text(arguments[0])] {
    signalMembers(path, SIGKILL);
    return NOTHING;
  });
}

struct Export {
  const char* name;
  napi_callback callback;
};
constexpr Export EXPORTS[] = {
    {"createBridge", enter<createBridgeCall>}, {"deleteLink", enter<deleteLinkCall>}, {"listLinks", enter<listLinksCall>}, {"addAddress", enter<addAddressCall>},
    {"setLinkUp", enter<setLinkUpCall>},       {"lockFile", enter<lockFileCall>},     {"closeFile", enter<closeFileCall>},
    {"sendDatagram", enter<sendDatagramCall>}, {"killGroup", enter<killGroupCall>},
};

}  // namespace

NAPI_MODULE_INIT() {
  const Environment environment(env);
  try {
    for (const Export& entry : EXPORTS) {
      napi_value function;
      environment.check(napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.callback, nullptr, &function));
      environment.set(exports, entry.name, function);
    }
  } catch (const PendingException&) {
    return nullptr;
  }
  return exports;
}
