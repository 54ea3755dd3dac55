import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { crossSign } from "../../../src/pki/cross-sign.js";
import { createRootCa } from "../../../src/pki/root-ca.js";
import { wantedTlsInfo } from "../../../src/pki/tls-info.js";
import { activeFixture } from "./server-fixture.js";

const nowMs = new FakeClock().now(); // As the backend has it.
const [old, next] = [createRootCa({ nowMs }), createRootCa({ nowMs })];

/** A cluster in the middle of a rotation. */
async function rotating() {
  const fixture = await activeFixture();
  const rotation = { ...next, crossSigned: crossSign(next.certificate, { by: old, nowMs }) };
  const rootCa = { ...old, joinTokens: { worker: "w", manager: "m" }, rotation, lastForcedRotation: 3 };
  const externalCas = [{ url: "https://ca/sign", rootCertificate: next.certificate }];
  await fixture.backend.store.update((tx) => {
    const { cluster } = tx;
    if (cluster === undefined || cluster.spec === null) return;
    tx.update("cluster", { ...cluster, rootCa, spec: { ...cluster.spec, forceRotate: 3, externalCas } }, { isClientWrite: true });
  });
  return { ...fixture, rootCa };
}

test("a rotation is shown as Swarm shows it: the present root to trust, the next one as who issues; keys are not", async () => {
  const { call, rootCa } = await rotating();
  const { certIssuerPublicKey } = wantedTlsInfo(rootCa);
  const shown = {
    RootRotationInProgress: true,
    TLSInfo: { TrustRoot: old.certificate, CertIssuerPublicKey: Buffer.from(certIssuerPublicKey).toString("base64") },
    Spec: {
      CAConfig: { ForceRotate: 3, ExternalCAs: [{ Protocol: "cfssl", URL: "https://ca/sign", Options: {}, CACert: next.certificate }] },
    },
  };
  const [swarm, info] = [await call("GET", "/swarm"), await call("GET", "/info")];
  expect(swarm.json).toMatchObject(shown);
  expect(info.json.Swarm.Cluster).toMatchObject(shown);
  for (const { text } of [swarm, info]) for (const key of [old.key, next.key]) expect(text).not.toContain(key.split("\n")[1]);
});

test("what was read can be sent back, and changes nothing of the root", async () => {
  const { call, backend, rootCa } = await rotating();
  const { Version, Spec } = (await call("GET", "/swarm")).json;
  expect((await call("POST", `/swarm/update?version=${Version.Index}`, Spec)).status).toBe(200);
  expect(backend.store.view.cluster?.rootCa).toEqual(rootCa);
});

test("the present root takes the rotation back, a given one takes its place, and a wrong one is refused in a sentence", async () => {
  const { call, backend, rootCa } = await rotating();
  const update = async (caConfig: object) => {
    const { Version, Spec } = (await call("GET", "/swarm")).json;
    return call("POST", `/swarm/update?version=${Version.Index}`, { ...Spec, CAConfig: { ...Spec.CAConfig, ...caConfig } });
  };
  expect(await update({ SigningCAKey: next.key })).toMatchObject({
    status: 400,
    json: { message: "rpc error: code = InvalidArgument desc = if a signing CA key is provided, the signing CA cert must also be provided" },
  });
  expect(backend.store.view.cluster?.rootCa).toEqual(rootCa);
  expect((await update({ SigningCACert: old.certificate, SigningCAKey: old.key, ExternalCAs: [] })).status).toBe(200);
  expect(backend.store.view.cluster?.rootCa).toEqual({ ...rootCa, rotation: null });
  const third = createRootCa({ nowMs });
  expect((await update({ SigningCACert: third.certificate, SigningCAKey: third.key })).status).toBe(200);
  expect(backend.store.view.cluster?.rootCa?.rotation).toMatchObject(third);
  expect((await call("GET", "/swarm")).text).not.toContain("SigningCA");
});
