import { expect, test } from "vitest";
import { ClusterError } from "../../../src/base/errors.js";
import { silentLogger } from "../../../src/base/log.js";
import { createRootCa } from "../../../src/pki/root-ca.js";
import { activeFixture, inactiveFixture, serviceBody } from "./server-fixture.js";

const NO_LEADER =
  "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online.";
const NOT_IN_SWARM = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
const WORKER =
  "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.";
const LOCKED = 'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.';

const SWARM_ROUTES: [method: string, path: string, body: unknown][] = [
  ["GET", "/swarm", undefined],
  ["POST", "/swarm/update?version=1", {}],
  ["GET", "/swarm/unlockkey", undefined],
  ["GET", "/nodes", undefined],
  ["GET", "/nodes/x", undefined],
  ["POST", "/nodes/x/update?version=1", { Role: "worker", Availability: "active" }],
  ["DELETE", "/nodes/x", undefined],
  ["GET", "/services", undefined],
  ["POST", "/services/create", serviceBody("web")],
  ["GET", "/services/x", undefined],
  ["POST", "/services/x/update?version=1", serviceBody("web")],
  ["DELETE", "/services/x", undefined],
  ["PATCH", "/services/x", {}],
  ["PATCH", "/nodes/x", {}],
  ["PATCH", "/swarm", {}],
  ["GET", "/services/x/logs?stdout=1", undefined],
  ["GET", "/tasks", undefined],
  ["GET", "/tasks/x", undefined],
  ["GET", "/tasks/x/logs?stdout=1", undefined],
  ["GET", "/secrets", undefined],
  ["GET", "/configs", undefined],
];

test.each(SWARM_ROUTES)("%s %s says why this node cannot answer", async (method, path, body) => {
  const outside = await inactiveFixture();
  expect(await outside.call(method, path, body)).toMatchObject({ status: 503, json: { message: NOT_IN_SWARM } });
  const { call, backend } = await activeFixture();
  backend.localState = { ...backend.localState, isManager: false };
  expect(await call(method, path, body)).toMatchObject({ status: 503, json: { message: WORKER } });
  backend.localState = { ...backend.localState, error: "no space left on device" };
  expect(await call(method, path, body)).toMatchObject({ status: 503, json: { message: "This node is not a swarm manager: no space left on device" } });
  backend.localState = { ...backend.localState, state: "locked" };
  expect(await call(method, path, body)).toMatchObject({ status: 503, json: { message: LOCKED } });
});

test.each(SWARM_ROUTES.filter(([, path]) => !/secrets|configs|unlockkey/.test(path)))("%s %s without a leader", async (method, path, body) => {
  const { call, backend } = await activeFixture();
  backend.readError = new ClusterError("no_leader", "no leader");
  backend.writeError = new ClusterError("no_leader", "no leader");
  expect(await call(method, path, body)).toMatchObject({ status: 503, json: { message: NO_LEADER } });
});

test("without a leader, what keeps this manager from having one is said, where that is known", async () => {
  const { call, backend } = await activeFixture();
  backend.readError = new ClusterError("no_leader", "no leader", { details: { why: "This manager's certificate expired." } });
  expect(await call("GET", "/nodes")).toMatchObject({ status: 503, json: { message: `${NO_LEADER} This manager's certificate expired.` } });
});

test.each([
  [new ClusterError("outcome_unknown", "leadership was lost"), 503, "outcome unknown, check before retrying"],
  [new ClusterError("conflict", "update out of sequence"), 500, "rpc error: code = Unknown desc = update out of sequence"],
  [new ClusterError("invalid_argument", "bad"), 400, "rpc error: code = InvalidArgument desc = bad"],
  [new ClusterError("failed_precondition", "bad"), 400, "rpc error: code = FailedPrecondition desc = bad"],
  [new ClusterError("already_exists", "bad"), 409, "rpc error: code = AlreadyExists desc = bad"],
  [new ClusterError("unimplemented", "bad"), 501, "rpc error: code = Unimplemented desc = bad"],
  [new ClusterError("permission_denied", "bad"), 403, "rpc error: code = PermissionDenied desc = bad"],
  [new ClusterError("internal", "bad"), 500, "rpc error: code = Unknown desc = bad"],
])("a write that failed with %s is a %i, and in the log only when that is this daemon's fault, or its outcome unknown", async (error, status, message) => {
  const failures: unknown[] = [];
  const { call, backend } = await activeFixture({ ...silentLogger, error: (fields) => void failures.push(fields), child: () => silentLogger });
  backend.writeError = error;
  expect(await call("POST", "/services/create", serviceBody("web"))).toMatchObject({ status, json: { message } });
  expect(failures).toHaveLength(error.code === "internal" || error.code === "outcome_unknown" ? 1 : 0);
});

test("a second init or join is refused before anything else", async () => {
  const { call, backend } = await activeFixture();
  for (const [path, body] of [
    ["/swarm/init", { ListenAddr: "0.0.0.0:2377" }],
    ["/swarm/join", { RemoteAddrs: ["x"], JoinToken: "x" }],
  ] as const) {
    expect(await call("POST", path, body)).toMatchObject({
      status: 503,
      json: { message: 'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.' },
    });
  }
  expect(backend.joins).toEqual([]);
  expect(backend.inits).toHaveLength(1);
});

test.each([
  [{}, "at least 1 RemoteAddr is required to join", 400],
  [{ RemoteAddrs: ["10.0.0.1:2377"], Availability: "sometimes" }, 'invalid Availability: "sometimes" is not one of active, pause, drain', 400],
])("a join with %j is refused", async (body, message, status) => {
  const { call, backend } = await inactiveFixture();
  expect(await call("POST", "/swarm/join", body)).toMatchObject({ status, json: { message } });
  expect(backend.joins).toEqual([]);
});

test.each([
  [
    new ClusterError("invalid_argument", "A valid join token is necessary to join this cluster"),
    400,
    "rpc error: code = InvalidArgument desc = A valid join token is necessary to join this cluster",
  ],
  [new ClusterError("unavailable", "cannot reach 10.0.0.9:2377: connection refused"), 503, "cannot reach 10.0.0.9:2377: connection refused"],
  [
    new ClusterError("permission_denied", "remote CA does not match fingerprint"),
    403,
    "rpc error: code = PermissionDenied desc = remote CA does not match fingerprint",
  ],
])("a join that the other side refuses with %s", async (error, status, message) => {
  const { call, backend } = await inactiveFixture();
  backend.joinError = error;
  expect(await call("POST", "/swarm/join", { RemoteAddrs: ["10.0.0.9:2377"], JoinToken: "SWMTKN-1-x" })).toMatchObject({ status, json: { message } });
});

test("rejoining: the address goes to the node, which says what is wrong with it", async () => {
  const { call, backend } = await activeFixture();
  backend.joinError = new ClusterError("unavailable", "cannot reach 10.0.0.9:2377: no answer within 3000 ms");
  expect(await call("POST", "/swarm/rejoin", { RemoteAddr: "10.0.0.9" })).toMatchObject({ status: 503, json: { message: backend.joinError.message } });
  backend.joinError = null;
  expect(await call("POST", "/swarm/rejoin", { RemoteAddr: "10.0.0.9" })).toMatchObject({ status: 200 });
  expect(backend.rejoins).toEqual(["10.0.0.9", "10.0.0.9"]);
  const outside = await inactiveFixture();
  expect(await outside.call("POST", "/swarm/rejoin", { RemoteAddr: "10.0.0.9" })).toMatchObject({
    status: 503,
    json: { message: "This node is not part of a swarm" },
  });
  expect(outside.backend.rejoins).toEqual([]);
});

test("the last manager says what leaving means", async () => {
  const { call, backend } = await activeFixture();
  const message =
    "You are attempting to leave the swarm on a node that is participating as a manager. Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message. ";
  backend.leaveError = new ClusterError("unavailable", message);
  expect(await call("POST", "/swarm/leave")).toMatchObject({ status: 503, json: { message } });
  const outside = await inactiveFixture();
  expect(await outside.call("POST", "/swarm/leave")).toMatchObject({ status: 503, json: { message: "This node is not part of a swarm" } });
});

const NO_KEY = 'SigningCACert needs its SigningCAKey: a root whose key stays elsewhere is for a swarm that is there, by "docker swarm ca --rotate"';
const NO_PEM = "the CA certificate of the external CA at https://ca is not a certificate in PEM form";

test.each([
  [{ Name: "infrastructure" }, 400, 'invalid Name "infrastructure": the swarm spec must be named "default"'],
  [{ CAConfig: { ForceRotate: -1 } }, 400, "Spec.CAConfig.ForceRotate must be an integer from 0 to 9007199254740991"],
  [{ CAConfig: { ExternalCAs: [{ URL: "http://ca" }] } }, 400, 'invalid URL of an external CA: "http://ca" does not begin with https://'],
  [{ CAConfig: { ExternalCAs: [{ Protocol: "acme", URL: "https://ca" }] } }, 400, 'invalid Protocol of an external CA: "acme" is not "cfssl"'],
  [{ CAConfig: { ExternalCAs: [{ URL: "https://ca", Options: { a: "b" } }] } }, 501, "Spec.CAConfig.ExternalCAs[0].Options is not supported"],
  [{ CAConfig: { ExternalCAs: [{ URL: "https://ca", CACert: "x" }] } }, 400, NO_PEM],
  [{ CAConfig: { SigningCACert: "pem" } }, 400, NO_KEY],
  [{ CAConfig: { SigningCAKey: "pem" } }, 400, "SigningCAKey needs the certificate that it belongs to: SigningCACert"],
  [{ Raft: { ElectionTick: -1 } }, 400, "Spec.Raft.ElectionTick must be an integer from 0 to 2147483647"],
])("init with the spec %j is refused", async (spec, status, message) => {
  const { call, backend } = await inactiveFixture();
  expect(await call("POST", "/swarm/init", { Spec: spec })).toMatchObject({ status, json: { message } });
  expect(backend.inits).toEqual([]);
});

test("init takes external authorities, for the root that is named with each or for the swarm's own", async () => {
  const { call, backend } = await inactiveFixture();
  const { certificate } = createRootCa({ nowMs: Date.now() });
  const externals = [{ Protocol: "cfssl", URL: "https://ca/sign", CACert: certificate }, { URL: "https://own/sign" }];
  expect((await call("POST", "/swarm/init", { Spec: { CAConfig: { ExternalCAs: externals } } })).status).toBe(200);
  expect(backend.inits[0]?.spec.externalCas).toEqual([
    { url: "https://ca/sign", rootCertificate: certificate },
    { url: "https://own/sign", rootCertificate: "" },
  ]);
});

test("init takes a root to begin with, but not for a swarm that has one", async () => {
  const { call, backend } = await inactiveFixture();
  const { certificate, key } = createRootCa({ nowMs: Date.now() });
  const Spec = { CAConfig: { SigningCACert: certificate, SigningCAKey: key } };
  expect(await call("POST", "/swarm/init", { ForceNewCluster: true, Spec })).toMatchObject({ status: 400 });
  expect((await call("POST", "/swarm/init", { Spec })).status).toBe(200);
  expect(backend.inits.map(({ signingCa }) => signingCa)).toEqual([{ certificate, key }]);
});

test("init fills in defaults, and zero is a history limit", async () => {
  const { call, backend } = await inactiveFixture();
  await call("POST", "/swarm/init", {
    ListenAddr: "0.0.0.0:2377",
    Spec: { Orchestration: { TaskHistoryRetentionLimit: 0 }, Dispatcher: { HeartbeatPeriod: 0 } },
  });
  expect(backend.inits[0]?.spec).toMatchObject({
    name: "default",
    taskHistoryRetentionLimit: 0n,
    heartbeatPeriodNs: 2_000_000_000n,
    raft: { snapshotInterval: 10_000 },
  });
});

test("unlocking what is not locked", async () => {
  const { call } = await activeFixture();
  expect(await call("GET", "/swarm/unlockkey")).toMatchObject({ status: 200, json: { UnlockKey: "" } });
  expect(await call("POST", "/swarm/unlock", { UnlockKey: "SWMKEY-1-x" })).toMatchObject({ status: 409, json: { message: "swarm is not locked" } });
});

test("the unlock key is shown on demand, and nowhere else", async () => {
  const { call, backend } = await activeFixture();
  const { Version, Spec } = (await call("GET", "/swarm")).json as { Version: { Index: number }; Spec: object };
  const body = { ...Spec, EncryptionConfig: { AutoLockManagers: true } };
  expect(await call("POST", `/swarm/update?version=${Version.Index}`, body)).toMatchObject({ status: 200 });
  const { UnlockKey } = (await call("GET", "/swarm/unlockkey")).json as { UnlockKey: string };
  expect(UnlockKey).toMatch(/^SWMKEY-1-[A-Za-z0-9+/]{43}$/);
  const after = (await call("GET", "/swarm")).json as { Version: { Index: number } };
  expect(after).toMatchObject({ Spec: { EncryptionConfig: { AutoLockManagers: true } } });
  const secrets = [UnlockKey.slice(9), Buffer.from(backend.store.view.cluster?.unlockKey ?? []).toString("hex")];
  for (const path of ["/swarm", "/info", "/nodes"]) {
    const text = JSON.stringify((await call("GET", path)).json);
    for (const secret of secrets) expect(text).not.toContain(secret);
  }
  await call("POST", `/swarm/update?version=${after.Version.Index}&rotateManagerUnlockKey=true`, body);
  expect((await call("GET", "/swarm/unlockkey")).json).not.toEqual({ UnlockKey });
});

test("unlocking: the key goes to the node, which says what is wrong with it", async () => {
  const { call, backend } = await activeFixture();
  backend.localState = { ...backend.localState, state: "locked", isManager: false };
  const key = `SWMKEY-1-${"A".repeat(43)}`;
  for (const [error, status] of [
    [new ClusterError("unauthenticated", "swarm could not be unlocked: invalid key provided"), 401],
    [new ClusterError("invalid_argument", "invalid key string"), 400],
  ] as const) {
    backend.unlockError = error;
    expect(await call("POST", "/swarm/unlock", { UnlockKey: key })).toMatchObject({ status, json: { message: error.message } });
  }
  backend.unlockError = null;
  expect(await call("POST", "/swarm/unlock", { UnlockKey: key })).toMatchObject({ status: 200 });
  expect(backend.unlockedWith).toBe(key);
  const outside = await inactiveFixture();
  expect(await outside.call("POST", "/swarm/unlock", { UnlockKey: key })).toMatchObject({ status: 503, json: { message: NOT_IN_SWARM } });
});

test.each([
  [{ AutoLockManagers: true }, { autoLockManagers: true }],
  [{ Spec: { EncryptionConfig: { AutoLockManagers: true } } }, { autoLockManagers: true }],
])("init with %j locks", async (body, spec) => {
  const { call, backend } = await inactiveFixture();
  expect(await call("POST", "/swarm/init", { ListenAddr: "0.0.0.0:2377", ...body })).toMatchObject({ status: 200 });
  expect(backend.inits[0]?.spec).toMatchObject(spec);
});

test.each([
  [
    "a name that is taken",
    serviceBody("web"),
    409,
    "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service web already exists",
  ],
  ["a bad name", serviceBody("we b"), 400, "rpc error: code = InvalidArgument desc = name must be valid as a DNS name component"],
  [
    "a published port that is taken",
    serviceBody("other", { EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 8080 }] } }),
    501,
    /routing mesh is not supported yet/,
  ],
  [
    "a bad constraint",
    { Name: "x", TaskTemplate: { ContainerSpec: { Image: "bb" }, Placement: { Constraints: ["node.id is 1"] } } },
    undefined,
    /node\.id is 1/,
  ],
  [
    "no image",
    { Name: "x", TaskTemplate: { ContainerSpec: {} } },
    400,
    "rpc error: code = InvalidArgument desc = ContainerSpec: image reference must be provided",
  ],
  ["a job", serviceBody("x", { Mode: { GlobalJob: {} } }), 501, "rpc error: code = Unimplemented desc = jobs are not supported yet"],
])("a service with %s is refused and changes nothing", async (_what, body, status, message) => {
  const { call, backend } = await activeFixture();
  await call("POST", "/services/create", serviceBody("web"));
  const before = backend.store.revision;
  const answer = await call("POST", "/services/create", body);
  if (status !== undefined) expect(answer.status).toBe(status);
  expect(answer.status).toBeGreaterThanOrEqual(400);
  if (message instanceof RegExp) expect(answer.json.message).toMatch(message);
  else expect(answer.json.message).toBe(message);
  expect(backend.store.revision).toBe(before);
});

test("an update needs the version that it is based on", async () => {
  const { call, backend } = await activeFixture();
  const { json } = await call("POST", "/services/create", serviceBody("web"));
  const version = backend.store.view.services.get(json.ID)!.meta!.version;
  const update = (query: string, body: unknown = serviceBody("web")) => call("POST", `/services/${json.ID}/update${query}`, body);
  expect(await update("")).toMatchObject({ status: 400, json: { message: "invalid service version '': not a number" } });
  expect(await update("?version=-1")).toMatchObject({ status: 400 });
  const outOfSequence = "rpc error: code = Unknown desc = update out of sequence";
  for (const stale of [version - 1, version + 1]) {
    const message = `${outOfSequence}: version ${stale} was given, and ${version} is the current one`;
    expect(await update(`?version=${stale}`), `${stale}`).toMatchObject({ status: 500, json: { message } });
  }
  expect(await update("?version=18446744073709551615")).toMatchObject({ status: 500, json: { message: outOfSequence } });
  expect(await update(`?version=${version}`, serviceBody("other"))).toMatchObject({
    status: 501,
    json: { message: expect.stringMatching(/renaming services is not supported/) },
  });
  expect(await update(`?version=${version}&rollback=sideways`)).toMatchObject({
    status: 400,
    json: { message: 'unrecognized value for rollback: "sideways"' },
  });
  expect(await update(`?version=${version}&rollback=previous`)).toMatchObject({
    status: 400,
    json: { message: expect.stringMatching(/does not have a previous spec/) },
  });
  expect(await update(`?version=${version}`)).toMatchObject({ status: 200, json: { Warnings: null } });
});

test("a prefix that fits several ids is ambiguous, one that fits a single one is enough", async () => {
  const { call, backend } = await activeFixture();
  await call("POST", "/services/create", serviceBody("web"));
  const [web] = [...backend.store.view.services.all()];
  await backend.store.update((tx) => {
    for (const id of ["aaa1", "aaa2"]) tx.create("service", { ...web!, id, spec: { ...web!.spec!, name: id.toUpperCase().concat("X") } });
  });
  expect(await call("GET", "/services/aaa")).toMatchObject({ status: 400, json: { message: "service aaa is ambiguous (2 matches found)" } });
  expect(await call("GET", "/services/aaa2")).toMatchObject({ status: 200, json: { ID: "aaa2" } });
  expect(await call("GET", `/services/${web!.id.slice(0, 8)}`)).toMatchObject({ status: 200, json: { ID: web!.id } });
  expect(await call("GET", "/services/WEB")).toMatchObject({ status: 200, json: { ID: web!.id } });
});

test("nanoseconds beyond 2^53 come back as they went in", async () => {
  const { call } = await activeFixture();
  const body =
    '{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"bb","StopGracePeriod":9007199254740993},"RestartPolicy":{"Delay":9223372036854775807}}}';
  expect((await call("POST", "/services/create", body)).status).toBe(201);
  const { text } = await call("GET", "/services/web");
  expect(text).toContain('"StopGracePeriod":9007199254740993');
  expect(text).toContain('"Delay":9223372036854775807');
});

test("a service without a name gets one", async () => {
  const { call, backend } = await activeFixture();
  const { json } = await call("POST", "/services/create", serviceBody(""));
  expect(backend.store.view.services.get(json.ID)?.spec?.name).toMatch(/^[a-z]+_[a-z]+$/);
});

test("what a failing import leaves is its reason", async () => {
  const { call, backend } = await inactiveFixture();
  backend.images.importError = new ClusterError("invalid_argument", "not a tar archive");
  expect(await call("POST", "/images/create?fromSrc=-&repo=bb", "junk")).toMatchObject({ status: 400, json: { message: "not a tar archive" } });
  expect(backend.images.list()).toEqual([]);
  expect(await call("POST", "/images/create?fromSrc=http://x/y.tar")).toMatchObject({ status: 404 });
  expect(await call("POST", "/images/create")).toMatchObject({ status: 400 });
});

test("an image that a container uses is a conflict", async () => {
  const { call, backend } = await inactiveFixture();
  await call("POST", "/images/create?fromSrc=-&repo=bb&tag=v1", "tar");
  backend.images.remove = async () => {
    throw new ClusterError("conflict", "image bb:v1 is in use by a container");
  };
  expect(await call("DELETE", "/images/bb:v1")).toMatchObject({ status: 409, json: { message: "image bb:v1 is in use by a container" } });
});
