import type { InitOptions, JoinOptions } from "../backend.js";
import { badRequest } from "../errors.js";
import { firstClusterSpec } from "./cluster-spec.js";
import type { Fields } from "./fields.js";
import { availabilityFromDocker } from "./node.js";

const PORT_MAX = 65_535;
const PREFIX_BITS_MAX = 32;

/** The rest of the body of `POST /swarm/init`, whose ForceNewCluster has been read. Throws 400 for what does not go together. */
export function initFromDocker(fields: Fields, forceNewCluster: boolean): InitOptions {
  const isLocking = fields.boolean("AutoLockManagers");
  if (isLocking && forceNewCluster) throw badRequest("AutoLockManagers does not go with ForceNewCluster: update the swarm when it is founded");
  const { spec, signingCa } = firstClusterSpec(fields.child("Spec"));
  if (signingCa.certificate !== "" && forceNewCluster) throw badRequest("SigningCACert does not go with ForceNewCluster: the swarm keeps its root");
  const options = {
    listenAddress: fields.string("ListenAddr"),
    advertiseAddress: fields.string("AdvertiseAddr"),
    dataPathAddress: fields.string("DataPathAddr"),
    dataPathPort: fields.count("DataPathPort", PORT_MAX),
    defaultAddressPool: fields.strings("DefaultAddrPool"),
    subnetSize: fields.count("SubnetSize", PREFIX_BITS_MAX),
    forceNewCluster,
    availability: availabilityFromDocker(fields),
    spec: { ...spec, autoLockManagers: spec.autoLockManagers || isLocking },
    ...(signingCa.certificate === "" ? {} : { signingCa }),
  };
  fields.end();
  return options;
}

/** The body of `POST /swarm/join`. Throws 400 when it names no manager. */
export function joinFromDocker(fields: Fields): JoinOptions {
  const options = {
    listenAddress: fields.string("ListenAddr"),
    advertiseAddress: fields.string("AdvertiseAddr"),
    dataPathAddress: fields.string("DataPathAddr"),
    remoteAddresses: fields.strings("RemoteAddrs"),
    joinToken: fields.string("JoinToken"),
    availability: availabilityFromDocker(fields),
  };
  fields.end();
  if (options.remoteAddresses.length === 0) throw badRequest("at least 1 RemoteAddr is required to join");
  return options;
}
