import { expect, test } from "vitest";
import { SeededRandom } from "../../../src/base/random.js";
import { createJoinToken, isSameToken, parseJoinToken, tokenMatchesRoot } from "../../../src/pki/join-token.js";
import { planRenewal } from "../../../src/pki/renewal.js";
import { createRootCa } from "../../../src/pki/root-ca.js";

const root = createRootCa({ nowMs: Date.now() }).certificate;

test("a token has the form of Swarm, the digest of the root, and a secret of its own", () => {
  const token = createJoinToken(root);
  expect(token).toMatch(/^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/);
  expect(tokenMatchesRoot(token, root)).toBe(true);
  expect(tokenMatchesRoot(token, createRootCa({ nowMs: Date.now() }).certificate)).toBe(false);
  const other = createJoinToken(root);
  expect(parseJoinToken(other).digest).toBe(parseJoinToken(token).digest);
  expect(parseJoinToken(other).secret).not.toBe(parseJoinToken(token).secret);
});

test("line ends in the certificate's text do not matter", () => {
  expect(tokenMatchesRoot(createJoinToken(root), root.replaceAll("\n", "\r\n"))).toBe(true);
});

test("tokens are equal or not, whatever space is around them", () => {
  const token = createJoinToken(root);
  expect(isSameToken(` ${token}\n`, token)).toBe(true);
  expect(isSameToken(createJoinToken(root), token)).toBe(false);
  expect(isSameToken("", token)).toBe(false);
});

const good = createJoinToken(root);
test.each([[""], ["SWMTKN"], [good.slice(0, -1)], [`${good}0`], [good.replace("-1-", "-2-")], [good.toUpperCase()], [`${good} ${good}`]])(
  "%j is no token, and the message does not repeat it",
  (text) => {
    expect(() => parseJoinToken(text)).toThrow(expect.objectContaining({ code: "invalid_argument", message: "invalid join token" }));
  },
);

test("renewal falls between 50 and 80 % of a certificate's life, and not always on the same moment", () => {
  const random = new SeededRandom(7);
  const times = Array.from({ length: 200 }, () => planRenewal({ notBeforeMs: 1_000, expiresAtMs: 2_000 }, random));
  expect(Math.min(...times)).toBeGreaterThanOrEqual(1_500);
  expect(Math.max(...times)).toBeLessThanOrEqual(1_800);
  expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(200);
});
