import { createHash, createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { connect, createServer } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import type { RootCa } from "../../../src/model/objects.js";
import { authorityOf, issueBy, trustBundle } from "../../../src/pki/authority.js";
import { crossSign, flawOfCrossSigned } from "../../../src/pki/cross-sign.js";
import { createCsr } from "../../../src/pki/csr.js";
import { encode, type Node, octets, oid, sequence, tagged } from "../../../src/pki/der.js";
import { readGivenRoot } from "../../../src/pki/given-root.js";
import { tokenMatchesRoot } from "../../../src/pki/join-token.js";
import { createNodeKey, publicKeyDer, readPrivateKey } from "../../../src/pki/keys.js";
import { signLateRenewal, verifyLateRenewal } from "../../../src/pki/late-renewal.js";
import { issueNodeCertificate, NODE_VALIDITY_MS } from "../../../src/pki/node-certificate.js";
import { createRootCa, type RootCa as Root } from "../../../src/pki/root-ca.js";
import { finishedRotation, withNewTokens } from "../../../src/pki/root-rotation.js";
import { tlsInfoOf, wantedTlsInfo } from "../../../src/pki/tls-info.js";
import { certificatesIn, chainIn, requireTrustedIssuer, trustedIssuer } from "../../../src/pki/trust.js";
import { hasKeyId, isAuthority, issuedBy, keyIdOf, mayCertify, name, readCertificate, readIssuer, signCertificate } from "../../../src/pki/x509.js";
import { changedCertificate } from "../../support/changed-certificate.js";
import { Opened } from "../../support/disposables.js";

const nowMs = Date.now();
const [old, next, stranger] = [createRootCa({ nowMs }), createRootCa({ nowMs }), createRootCa({ nowMs })];
const opened = new Opened();
afterEach(() => opened.close());

/** An extended key usage of this one purpose. */
const purposeIs = (dotted: string): Node => sequence(oid("2.5.29.37"), octets(encode(sequence(oid(dotted)))));

function createNamedRoot(commonName: string): Root {
  const key = createNodeKey();
  const subject = name([{ attribute: "commonName", value: commonName }]);
  const [privateKey, lifeMs] = [readPrivateKey(key), 365 * 24 * 3_600_000];
  const extensions = [isAuthority(1), mayCertify(), keyIdOf(privateKey)];
  const content = { issuer: subject, subject, publicKey: privateKey, notBeforeMs: nowMs - lifeMs, notAfterMs: nowMs + lifeMs, extensions };
  return { key, certificate: signCertificate(content, privateKey) };
}

const before: RootCa = withNewTokens({ ...old, joinTokens: null, rotation: null, lastForcedRotation: 0 });
const during: RootCa = { ...before, rotation: { ...next, crossSigned: crossSign(next.certificate, { by: old, nowMs }) } };
const after = finishedRotation(during);

function credentialsBy(rootCa: RootCa, atMs = nowMs) {
  const key = createNodeKey();
  const request = { csr: createCsr(key), nodeId: "n1", role: "manager", clusterId: "c1", validityMs: NODE_VALIDITY_MS, nowMs: atMs } as const;
  return { key, certificate: issueBy(authorityOf(rootCa), request), rootCertificate: trustBundle(rootCa) };
}

/** What OpenSSL says of a server with this certificate, to a client with these roots; "" when it is trusted. */
async function refusal(certificate: string, key: string, roots: string): Promise<string> {
  const server = createServer({ cert: certificate, key }, (socket) => socket.end());
  opened.add(() => new Promise((done) => server.close(done)));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return new Promise((done) => {
    const socket = connect({ host: "127.0.0.1", port, ca: roots, servername: "swarm-manager" }, () => {
      done("");
      socket.destroy();
    });
    socket.once("error", (cause) => done((cause as NodeJS.ErrnoException).code ?? cause.message));
  });
}

describe("while the root is rotated, certificates of both roots", () => {
  const [byOld, byNew, finished] = [credentialsBy(before), credentialsBy(during), credentialsBy(after)];

  test.each([
    ["the old one, by who trusts the old", byOld, old.certificate, true],
    ["the old one, by who trusts both", byOld, trustBundle(during), true],
    ["the old one, by who trusts the new alone", byOld, next.certificate, false],
    ["the new one, by who trusts the old alone", byNew, old.certificate, true],
    ["the new one, by who trusts both", byNew, trustBundle(during), true],
    ["the new one, by who trusts the new alone", byNew, next.certificate, true],
    ["the new one, by a stranger", byNew, stranger.certificate, false],
    ["the new one after the rotation, by who trusts the old alone", finished, old.certificate, false],
    ["the new one after the rotation, by who trusts the new", finished, next.certificate, true],
  ])("are believed: %s", async (_who, { certificate, key }, roots, isBelieved) => {
    expect(trustedIssuer(chainIn(certificate), certificatesIn(roots)) !== null).toBe(isBelieved);
    expect((await refusal(certificate, key, roots)) === "").toBe(isBelieved);
  });

  test("bring along no more than they need", () => {
    expect(chainIn(byOld.certificate).intermediates).toHaveLength(0);
    expect(chainIn(byNew.certificate).intermediates).toHaveLength(1);
    expect(chainIn(finished.certificate).intermediates).toHaveLength(0);
  });

  test("an intermediate of another authority vouches for nobody", () => {
    const forged = issueNodeCertificate({
      rootCa: stranger,
      csr: createCsr(byNew.key),
      nodeId: "n1",
      role: "manager",
      clusterId: "c1",
      validityMs: NODE_VALIDITY_MS,
      nowMs,
    });
    const bySelf = crossSign(stranger.certificate, { by: stranger, nowMs });
    const inOldName = crossSign(stranger.certificate, { by: { certificate: old.certificate, key: stranger.key }, nowMs });
    for (const intermediate of [during.rotation?.crossSigned, bySelf, inOldName, stranger.certificate, ""]) {
      expect(() => requireTrustedIssuer(`${forged}${intermediate}`, trustBundle(during))).toThrow("was not issued by this cluster's certificate authority");
    }
  });

  test("a node's own certificate makes it no authority", () => {
    const request = { csr: createCsr(createNodeKey()), nodeId: "n2", role: "manager", clusterId: "c1", validityMs: NODE_VALIDITY_MS, nowMs } as const;
    expect(() => issueNodeCertificate({ ...request, rootCa: { certificate: byOld.certificate, key: byOld.key } })).toThrow();
  });

  test("say which of the two issued them", () => {
    const wanted = wantedTlsInfo(during);
    expect(wanted.trustRoot).toBe(old.certificate);
    expect(tlsInfoOf(byNew).certIssuerPublicKey).toEqual(wanted.certIssuerPublicKey);
    expect(tlsInfoOf({ ...byNew, rootCertificate: old.certificate }).certIssuerPublicKey).toEqual(wanted.certIssuerPublicKey);
    expect(tlsInfoOf(byOld).certIssuerPublicKey).not.toEqual(wanted.certIssuerPublicKey);
    expect(tlsInfoOf(finished)).toEqual(wantedTlsInfo(after));
  });

  test("the tokens name the root that a joiner can pin: the old one to the end, then the new one", () => {
    expect(tokenMatchesRoot(during.joinTokens?.worker ?? "", old.certificate)).toBe(true);
    for (const role of ["worker", "manager"] as const) expect(tokenMatchesRoot(after.joinTokens?.[role] ?? "", next.certificate)).toBe(true);
  });

  test.each([
    ["of the old root", credentialsBy(before, nowMs - 2 * NODE_VALIDITY_MS), true],
    ["of the new root", credentialsBy(during, nowMs - 2 * NODE_VALIDITY_MS), true],
    [
      "of a rotation that another one replaced",
      credentialsBy({ ...before, rotation: { ...stranger, crossSigned: crossSign(stranger.certificate, { by: old, nowMs }) } }, 0),
      true,
    ],
    ["of an authority of the same name", credentialsBy({ ...before, ...stranger }, nowMs - 2 * NODE_VALIDITY_MS), false],
  ])("an expired one %s is proven by its owner's signature", (_which, { certificate, key }, isBelieved) => {
    const content = { csr: createCsr(createNodeKey()), certificate, nonce: Buffer.from("nonce") };
    const renewal = { ...content, signature: signLateRenewal(content, key) };
    const verified = () => verifyLateRenewal(renewal, { rootCertificate: trustBundle(during), clusterId: "c1" });
    if (isBelieved) expect(verified()).toMatchObject({ nodeId: "n1", role: "manager" });
    else expect(verified).toThrow("the certificate was not issued by this cluster's certificate authority");
  });
});

describe("what another authority gave for a cross-signed root", () => {
  const DAY_MS = 24 * 3_600_000;
  const named = createNamedRoot("theirs");
  const onlyCorp = sequence(oid("2.5.29.30"), octets(encode(sequence(tagged(0, [sequence(tagged(2, "corp"))])))));
  const otherId = hasKeyId(Buffer.alloc(20, 1));

  /** As an authority that is not ours would make it: with a key identifier of its own making, the SHA-1 of the key as CFSSL has it. */
  function vouching(
    change: {
      readonly by?: Root;
      readonly of?: Root;
      readonly fromMs?: number;
      readonly keyId?: Node;
      readonly more?: readonly Node[];
      readonly isNamed?: boolean;
    } = {},
  ): string {
    const { by = old, of = next, fromMs = nowMs - DAY_MS, more = [], isNamed = true } = change;
    const [issuer, subject] = [readIssuer(readCertificate(by.certificate)), readIssuer(readCertificate(of.certificate))];
    const publicKey = readCertificate(of.certificate).publicKey;
    const id = change.keyId ?? hasKeyId(createHash("sha1").update(publicKeyDer(publicKey).subarray(-65)).digest());
    const extensions = [isAuthority(0), mayCertify(), id, ...(isNamed && issuer.keyId !== null ? [issuedBy(issuer.keyId)] : []), ...more];
    const content = { issuer: issuer.subject, subject: subject.subject, publicKey, notBeforeMs: fromMs, notAfterMs: fromMs + 30 * DAY_MS, extensions };
    return signCertificate(content, readPrivateKey(by.key));
  }

  /** Whether OpenSSL believes a certificate of the new root, by who trusts the old one and by who trusts both. */
  async function isBelieved(crossSigned: string, by = old): Promise<boolean> {
    const { certificate, key } = credentialsBy({ ...before, ...by, rotation: { ...next, crossSigned } });
    const refusals = [await refusal(certificate, key, by.certificate), await refusal(certificate, key, by.certificate + next.certificate)];
    return refusals.every((text) => text === "");
  }

  test.each([
    ["ours", crossSign(next.certificate, { by: old, nowMs }), old],
    ["that of CFSSL", vouching(), old],
    ["one with another key identifier, by an authority of another name", vouching({ by: named, keyId: otherId }), named],
  ])("is as good as nodes need: %s", async (_which, crossSigned, by) => {
    expect(flawOfCrossSigned(crossSigned, { newRoot: next.certificate, oldRoot: by.certificate, nowMs })).toBe("");
    expect(await isBelieved(crossSigned, by)).toBe(true);
  });

  test.each([
    ["the new root itself", next.certificate, "does not cross-sign the new root by the current one"],
    ["one of another root", crossSign(stranger.certificate, { by: old, nowMs }), "does not cross-sign the new root by the current one"],
    ["one by another root", crossSign(next.certificate, { by: stranger, nowMs }), "does not cross-sign the new root by the current one"],
    ["one of tomorrow", vouching({ fromMs: nowMs + DAY_MS }), /^is not valid now, but from .* to /],
    ["one of last year", vouching({ fromMs: nowMs - 365 * DAY_MS }), /^is not valid now, but from .* to /],
    ["one for servers only", vouching({ more: [purposeIs("1.3.6.1.5.5.7.3.1")] }), "is confined to purposes or names that the certificates of nodes have not"],
    ["one for mail", vouching({ more: [purposeIs("1.3.6.1.5.5.7.3.4")] }), "is confined to purposes or names that the certificates of nodes have not"],
    ["one for a domain", vouching({ more: [onlyCorp] }), "is confined to purposes or names that the certificates of nodes have not"],
    ["one with another key identifier", vouching({ keyId: otherId }), /^lacks the key identifiers .*: give the new root a name of its own$/],
    ["one that names no key of its issuer", vouching({ isNamed: false }), /^lacks the key identifiers .*: give the new root a name of its own$/],
  ])("would cut nodes off: %s", async (which, crossSigned, flaw) => {
    const found = flawOfCrossSigned(crossSigned, { newRoot: next.certificate, oldRoot: old.certificate, nowMs });
    expect(found).toEqual(typeof flaw === "string" ? flaw : expect.stringMatching(flaw));
    // OpenSSL looks at a server here: what is for servers alone is refused by the other end.
    if (which !== "one for servers only") expect(await isBelieved(crossSigned)).toBe(false);
  });
});

describe("a root that an operator brings", () => {
  const YEAR_MS = 365 * 24 * 3_600_000;
  const given = (certificate: string, key: string) => readGivenRoot({ certificate, key, nowMs });
  const rsa = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const leaf = credentialsBy(before);

  /** A self-signed authority with one thing changed. */
  function root(change: {
    readonly notBeforeMs?: number;
    readonly notAfterMs?: number;
    readonly hasKeyId?: boolean;
    readonly pathLength?: 0 | 1;
    readonly purpose?: string;
  }): string {
    const key = readPrivateKey(next.key);
    const subject = name([{ attribute: "commonName", value: "mine" }]);
    const { notBeforeMs = nowMs, notAfterMs = nowMs + 2 * YEAR_MS, hasKeyId = true, pathLength = 1, purpose } = change;
    const extensions = [isAuthority(pathLength), mayCertify(), ...(hasKeyId ? [keyIdOf(key)] : []), ...(purpose === undefined ? [] : [purposeIs(purpose)])];
    return signCertificate({ issuer: subject, subject, publicKey: key, notBeforeMs, notAfterMs, extensions }, key);
  }

  test("is kept as the cluster writes it, with its key when it is given", () => {
    const ec = createPrivateKey(next.key).export({ type: "sec1", format: "pem" }).toString();
    expect(given(`a comment\r\n${root({}).replaceAll("\n", "\r\n")}`, ec)).toEqual({
      certificate: expect.stringMatching(/^-----BEGIN CERTIFICATE-----\n/),
      key: next.key,
    });
    expect(given(next.certificate, "")).toEqual({ certificate: next.certificate, key: "" });
  });

  test.each([
    ["nothing", "", "", "the desired CA certificate is not a certificate in PEM form"],
    ["two of them", next.certificate + old.certificate, "", "the desired CA certificate cannot contain multiple certificates, it has 2"],
    ["a node's certificate", leaf.certificate, "", /^the desired CA certificate "O=c1, OU=swarm-manager, CN=n1" is not one of a certificate authority$/],
    ["one that another authority issued", crossSign(next.certificate, { by: old, nowMs }), "", 'the desired CA certificate "CN=swarm-ca" is not self-signed'],
    ["one that was changed after it was signed", changedCertificate(root({}), "mine", "ours"), "", 'the desired CA certificate "CN=ours" is not self-signed'],
    ["one without a key identifier", root({ hasKeyId: false }), "", 'the desired CA certificate "CN=mine" has no subject key identifier'],
    [
      "one that may not vouch for the next",
      root({ pathLength: 0 }),
      "",
      /^the desired CA certificate "CN=mine" has a path length of 0, so that it could never be rotated/,
    ],
    ["one that is for servers only", root({ purpose: "1.3.6.1.5.5.7.3.1" }), "", /^the desired CA certificate "CN=mine" is confined to purposes or names /],
    ["one of tomorrow", root({ notBeforeMs: nowMs + YEAR_MS / 365 }), "", /^the desired CA certificate "CN=mine" is not valid before /],
    [
      "one that ends soon",
      root({ notAfterMs: nowMs + YEAR_MS - 60_000 }),
      "",
      /^the desired CA certificate "CN=mine" expires too soon, on .*: a year must be left$/,
    ],
    ["another one's key", next.certificate, old.key, "the desired CA key does not belong to the desired CA certificate"],
    ["an RSA key", next.certificate, rsa.privateKey, "the desired CA key is a key of type rsa where ECDSA P-256 is expected"],
    ["a P-384 key", next.certificate, p384, "the desired CA key is a key of type ec where ECDSA P-256 is expected"],
    ["a key that is none", next.certificate, "secret", "the desired CA key is not a private key in PEM form without a passphrase"],
  ])("is refused: %s", (_what, certificate, key, message) => {
    expect(() => given(certificate, key)).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: typeof message === "string" ? message : expect.stringMatching(message) }),
    );
  });

  test("is refused when it is of an RSA key", () => {
    // openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=rsa -days 36500
    expect(() => given(RSA_ROOT, "")).toThrow('the desired CA certificate "CN=rsa" has a key of type rsa where ECDSA P-256 is expected');
    expect(new X509Certificate(RSA_ROOT).ca).toBe(true);
  });
});

const RSA_ROOT = `-----BEGIN CERTIFICATE-----
MIIC/zCCAeegAwIBAgIUbzjCwpoXCiEgwAqmoWSyfNQV0uIwDQYJKoZIhvcNAQEL
BQAwDjEMMAoGA1UEAwwDcnNhMCAXDTI2MTEyMTE1NDI0OFoYDzIxMjYxMDI4MTU0
MjQ4WjAOMQwwCgYDVQQDDANyc2EwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEK
AoIBAQCv8ey6fNetTJVxBi4tYWyqnnJJb7bQspcBMt9KkIRr7mwFYkVgD3wP0J5O
VtjgaRg4UN8QO15holuvi9wMOD7vFO843C11o7qsOMFxJqeaczmcP061Hfiqa/WI
IMtTHiC0VZMLo56hd1f0rMJ7b6jUl3YbcjpqYh8/Uk3w7rwBwiOjKOGuf7Bj+V+D
BfCB8/y3WRuXVDYm26FLOA1fbWgHCcqijvElybeZyfgCDocm0vPwhUbGtCZzcyUU
C+lNftZVHDNSg2trQ4eo6YMJEwdzTc/DxXYXBKXwmTz/X+3SWG599hufieb+A77b
mLYscddx20+V0osIImwk3y99W2EjAgMBAAGjUzBRMB0GA1UdDgQWBBQnnxU8F9Pa
6NS32ThKlKtVON1EZzAfBgNVHSMEGDAWgBQnnxU8F9Pa6NS32ThKlKtVON1EZzAP
BgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQAn/Nt36YwewaxxDvGu
Zj2Uug/eqm87OXd1a5VcHAHF22kVBsx/a4KLi2p54uAw6aCfrm8oQn7d3TXCJDTk
IlS2nhML9/xfvZQWHgwi+a0X89gsp5cBtMvhzET4S7LX+nvJBMexZ435tEkJQMqC
93h76N+wAFkuhzVQL4uEXA6aaePgOIkU/nXSDbmRf5HhNW/NF4XiJsl/Gzf3mCUp
ojNh0FqJz0AuJZYEN25AQs3lLqxCwMVFQIY7wE+2hIkB5XLkxGgB1j7vYD1VlQVV
7Zdllzbd3qMn2Od9f2G2l/Fa2FGR557yaX3zEYcXMoHnbvzFYvixIoBA6BhevL40
/uXN
-----END CERTIFICATE-----
`;
