/**
 * Serves the HTTP API over a store of this process alone, without a replica behind it: what a read costs when nobody has to be asked. Started by the bench
 * with the path of its socket; says "ready" and serves until it is killed. V8 is told what a daemon tells it, or the daemon would be the faster one.
 */
import { createHttpServer } from "../../src/api/http/server.js";
import { systemClock } from "../../src/base/clock.js";
import { silentLogger } from "../../src/base/log.js";
import { DEFAULT_CLUSTER_SPEC } from "../../src/model/defaults.js";
import { optimiseSooner } from "../../src/node/hot-code.js";
import { FakeBackend } from "../support/fake-backend.js";

const backend = new FakeBackend();
const nothing = { listenAddress: "", advertiseAddress: "", dataPathAddress: "", dataPathPort: 0, defaultAddressPool: [], subnetSize: 0 };
await backend.swarm.init({ ...nothing, forceNewCluster: false, availability: "active", spec: DEFAULT_CLUSTER_SPEC });
const server = createHttpServer({ backend, logger: silentLogger, clock: systemClock });
await server.listen({ type: "unix", path: process.argv[2] ?? "" });
optimiseSooner();
console.log("ready");
