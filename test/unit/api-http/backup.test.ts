import { expect, test } from "vitest";
import { activeFixture, inactiveFixture } from "./server-fixture.js";

test("a backup is the bytes of one file, encrypted with the passphrase in the body", async () => {
  const { call, backend } = await activeFixture();
  const answer = await call("POST", "/swarm/backup", { Passphrase: "open sesame" });
  expect(answer).toMatchObject({ status: 200, text: "whole state", headers: { "content-type": "application/octet-stream" } });
  expect(backend.passphrases).toEqual(["open sesame"]);
});

test("a restore reads its options from the first line, and takes the rest as the file", async () => {
  const { call, backend } = await inactiveFixture();
  const options = JSON.stringify({ Passphrase: "open sesame", ListenAddr: "0.0.0.0:2377", AdvertiseAddr: "10.0.0.9", SigningCAKey: "pem" });
  const answer = await call("POST", "/swarm/restore", Buffer.from(`${options}\nthe file\nwith lines`));
  expect(answer).toMatchObject({ status: 200, json: "restorednode" });
  expect(backend.restores).toEqual([
    { passphrase: "open sesame", listenAddress: "0.0.0.0:2377", advertiseAddress: "10.0.0.9", signingKey: "pem", text: "the file\nwith lines" },
  ]);
});

test.each([
  ["without a line of options", "x".repeat(100), 400],
  ["with a first line that never ends", "x".repeat(200_000), 400],
  ["with options that are not JSON", "nonsense\nfile", 400],
  ["with options that nobody knows", '{"Passphrase":"a","Colour":"red"}\nfile', 501],
])("a restore %s is refused", async (_what, body, status) => {
  const { call, backend } = await inactiveFixture();
  expect((await call("POST", "/swarm/restore", Buffer.from(body))).status).toBe(status);
  expect(backend.restores).toEqual([]);
});
