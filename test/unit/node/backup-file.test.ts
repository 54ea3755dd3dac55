import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { StoreObject } from "../../../src/model/objects.js";
import { decodeBackup, encodeBackup } from "../../../src/node/backup-file.js";
import { restoredNode } from "../../../src/node/restored-node.js";
import { requireTrustedIssuer } from "../../../src/pki/trust.js";
import { identityOf } from "../../../src/pki/identity.js";
import { createRootCa } from "../../../src/pki/root-ca.js";
import { testCluster } from "../../support/cluster-object.js";
import { processorMs } from "../../support/processor-time.js";
import { testNode } from "../../support/services.js";

const HEADER = { clusterId: "cluster1", createdAtMs: 5, index: 77, term: 3 };

const node = (id: string): StoreObject => ({ type: "node", node: { ...testNode(id), meta: { version: 7, revision: 9, createdAtMs: 1, updatedAtMs: 2 } } });

async function fileOf(objects: readonly StoreObject[], passphrase = "open sesame"): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of encodeBackup(HEADER, objects, passphrase)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Cut into odd pieces, as a network does. */
async function* pieces(file: Buffer) {
  for (let at = 0; at < file.length; at += 777) yield file.subarray(at, at + 777);
}

const read = (file: Buffer, passphrase = "open sesame") => decodeBackup(pieces(file), passphrase);

describe("a backup", () => {
  test("gives back every object, with its versions", async () => {
    const objects = Array.from({ length: 3_000 }, (_, at) => node(`node${at}`));
    const { header, origin } = await read(await fileOf(objects));
    expect(header).toEqual(HEADER);
    expect({ index: origin.index, term: origin.term }).toEqual({ index: 77, term: 3 });
    expect([...origin.objects]).toEqual(objects);
  });

  test("shows nothing of what is in it, and no two are alike", async () => {
    const [one, two] = [await fileOf([node("very-secret-name")]), await fileOf([node("very-secret-name")])];
    expect(one.includes("very-secret")).toBe(false);
    expect(one.includes("cluster1")).toBe(false);
    const digest = (file: Buffer) => createHash("sha256").update(file.subarray(40)).digest("hex");
    expect(digest(one)).not.toBe(digest(two));
  });

  test("of another version is told from what is none, and from what is damaged", async () => {
    const file = await fileOf([node("a")]);
    const other = Buffer.concat([Buffer.from("SWARM-BACKUP-2"), file.subarray(14)]);
    await expect(read(other)).rejects.toThrow('of a format that this version does not know: it begins with "SWARM-BACKUP-2", not with "SWARM-BACKUP-1"');
    await expect(read(file.subarray(0, 20))).rejects.toThrow("the backup is damaged: it was cut short");
    for (const none of ["", "S", "x".repeat(100)]) await expect(read(Buffer.from(none))).rejects.toThrow("this is no backup of a swarm");
  });

  test("that is none is read no further than its begin", async () => {
    let portions = 0;
    async function* endless() {
      for (; portions < 1_000; portions++) yield Buffer.from("SWARM-B");
    }
    await expect(decodeBackup(endless(), "open sesame")).rejects.toThrow("this is no backup of a swarm");
    expect(portions).toBe(2);
  });

  test("needs its passphrase", async () => {
    const file = await fileOf([node("a")]);
    await expect(read(file, "open barley")).rejects.toMatchObject({ code: "invalid_argument", message: expect.stringContaining("passphrase") });
    await expect(fileOf([node("a")], "")).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("that has one wrong byte, or ends too early anywhere, is refused", async () => {
    const file = await fileOf([node("a"), node("b")]);
    for (let at = 0; at < file.length; at += 29) {
      const wrong = Buffer.from(file);
      wrong[at] = (wrong[at] ?? 0) ^ 1;
      await expect(read(wrong), `byte ${at}`).rejects.toMatchObject({ code: "invalid_argument" });
    }
    for (let end = 0; end < file.length; end += 41) await expect(read(file.subarray(0, end)), `end ${end}`).rejects.toMatchObject({ code: "invalid_argument" });
    for (const more of [file.subarray(31), Buffer.from("\n"), Buffer.alloc(4), Buffer.alloc(64, 1)])
      await expect(read(Buffer.concat([file, more]))).rejects.toMatchObject({ message: "the backup is damaged: there is more after its end" });
  });

  test("without its last portions is refused although each frame is whole", async () => {
    const file = await fileOf(Array.from({ length: 8_000 }, (_, at) => node(`node${at}`)));
    const ends: number[] = [];
    for (let at = 31; at < file.length; at += 4 + file.readUInt32BE(at)) ends.push(at);
    expect(ends.length).toBeGreaterThan(3);
    for (const end of ends.slice(1)) await expect(read(file.subarray(0, end))).rejects.toMatchObject({ message: "the backup is damaged: it was cut short" });
  });

  test("is read frame by frame, whatever its size: no further than to what is wrong with it", async () => {
    const file = await fileOf(Array.from({ length: 8_000 }, (_, at) => node(`node${at}`)));
    let taken = 0;
    async function* counted(chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        taken += chunk.length;
        yield chunk;
      }
    }
    await expect(decodeBackup(counted(pieces(file)), "open barley")).rejects.toThrow("the passphrase is not the backup's");
    expect(taken).toBeLessThan(file.length / 4);
    const unbounded = Buffer.concat([file.subarray(0, 31), Buffer.alloc(4, 255)]);
    async function* endless() {
      yield unbounded;
      while (taken < 2 ** 30) yield Buffer.alloc(1024 * 1024);
    }
    taken = 0;
    await expect(decodeBackup(counted(endless()), "open sesame")).rejects.toThrow("the backup is damaged: at byte 31");
    expect(taken).toBeLessThan(2 * 1024 * 1024);
  });

  test("of 10,000 objects is written in less than two seconds", async () => {
    const objects = Array.from({ length: 10_000 }, (_, at) => node(`node${at}`));
    const start = processorMs();
    await fileOf(objects);
    expect(processorMs() - start).toBeLessThan(2_000);
  });
});

test("the host that a cluster is restored on becomes a manager of its own, certified by the cluster's authority", () => {
  const nowMs = Date.UTC(2026, 10, 21);
  const rootCa = { ...createRootCa({ nowMs }), joinTokens: null, rotation: null, lastForcedRotation: 0 };
  const cluster: StoreObject = { type: "cluster", cluster: testCluster({ rootCa }) };
  const restored = restoredNode({ objects: [cluster, node("old")], index: 77, term: 3 }, { nodeAddress: "10.0.0.9", signingKey: "", nowMs });
  const identity = identityOf(restored.credentials.certificate);
  expect(identity).toMatchObject({ nodeId: restored.nodeId, role: "manager", clusterId: "cluster1" });
  expect(() => requireTrustedIssuer(restored.credentials.certificate, rootCa.certificate)).not.toThrow();
  expect(restored.objects).toHaveLength(3);
  expect(restored.objects.at(-1)).toMatchObject({ type: "node", node: { id: restored.nodeId, role: "manager", publicKeyDigest: identity.publicKeyDigest } });
  expect(() => restoredNode({ objects: [node("old")], index: 77, term: 3 }, { nodeAddress: "", signingKey: "", nowMs })).toThrow(
    expect.objectContaining({ code: "invalid_argument" }),
  );
});

describe("a backup whose root key only an external authority has", () => {
  const nowMs = Date.UTC(2026, 10, 21);
  const [root, stranger] = [createRootCa({ nowMs }), createRootCa({ nowMs })];
  const restore = (keyInBackup: string, signingKey: string) => {
    const rootCa = { certificate: root.certificate, key: keyInBackup, joinTokens: null, rotation: null, lastForcedRotation: 0 };
    const cluster: StoreObject = { type: "cluster", cluster: testCluster({ rootCa }) };
    return restoredNode({ objects: [cluster], index: 77, term: 3 }, { nodeAddress: "10.0.0.9", signingKey, nowMs });
  };

  test("is restored with that key, which certifies the host and is not kept", () => {
    const { credentials, objects } = restore("", root.key);
    expect(() => requireTrustedIssuer(credentials.certificate, root.certificate)).not.toThrow();
    expect(objects[0]).toMatchObject({ cluster: { rootCa: { certificate: root.certificate, key: "" } } });
  });

  test.each([
    ["without it", "", "", "failed_precondition", /only an external CA has: it cannot certify this host without that key \(--ca-key\)$/],
    ["with the key of another root", "", stranger.key, "invalid_argument", /^the given CA key does not belong to the root certificate in the backup$/],
    ["with what is no key", "", "secret", "invalid_argument", /^the given CA key is not a private key in PEM form without a passphrase$/],
    ["with a key that it has", root.key, root.key, "invalid_argument", /^the backup holds the key of its root certificate: it needs no other$/],
  ])("is refused %s", (_how, keyInBackup, signingKey, code, message) => {
    expect(() => restore(keyInBackup, signingKey)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });
});
