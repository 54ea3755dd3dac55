import { expect, test } from "vitest";
import { FakeClock } from "../../../src/base/clock.js";
import { caHandlers } from "../../../src/api/grpc/ca.js";
import { createCsr } from "../../../src/pki/csr.js";
import { createJoinToken } from "../../../src/pki/join-token.js";
import { createNodeKey } from "../../../src/pki/keys.js";
import type { CallContext } from "../../../src/rpc/server-call.js";
import type { ControlRequest } from "../../../src/wire/generated/control.js";
import { TestCa } from "../../support/rpc-cluster.js";

const ca = new TestCa();
const token = createJoinToken(ca.root.certificate);
const csr = createCsr(createNodeKey());
const signal = new AbortController().signal;
const joiner: CallContext = { caller: { nodeId: "", role: "anonymous", address: "10.0.0.9" }, signal };
const node: CallContext = { caller: { nodeId: "n1", role: "worker", address: "10.0.0.9" }, signal };
const reply = { nodeId: "n1", role: "worker", certificate: "pem", rootCertificate: "root" } as const;

function handlers(written: ControlRequest[] = []) {
  return caHandlers({
    clusterId: "cluster1",
    programVersion: "1.2.3",
    clock: new FakeClock(5),
    rootCertificate: () => ca.root.certificate,
    async write(request) {
      written.push(request);
      return { type: "issueCertificate", issueCertificate: reply };
    },
  });
}

test("the root certificate is for everyone", async () => {
  expect(await handlers().rootCertificate({}, joiner)).toEqual({
    certificate: ca.root.certificate,
    clusterId: "cluster1",
    nowMs: 5,
    protocol: 1,
    programVersion: "1.2.3",
  });
});

test.each([
  ["a joiner with a token", { csr, token, availability: "drain" }, joiner],
  ["a node that renews", { csr, token: "", availability: "active" }, node],
] as const)("%s is taken to the leader, with who it is", async (_who, request, context) => {
  const written: ControlRequest[] = [];
  expect(await handlers(written).issueCertificate(request, context)).toEqual(reply);
  const { nodeId, address } = context.caller;
  expect(written).toEqual([{ type: "issueCertificate", issueCertificate: { request, callerNodeId: nodeId, callerAddress: address } }]);
});

test.each([
  ["without a token", { csr, token: "" }, "a valid join token is necessary to join this cluster"],
  ["with something that is no token", { csr, token: "SWMTKN-1-abc" }, "invalid join token"],
  ["without a request", { csr: "", token }, "expected one PEM block of type CERTIFICATE REQUEST, found 0"],
])("a joiner %s does not trouble the leader", async (_what, request, message) => {
  const written: ControlRequest[] = [];
  await expect(handlers(written).issueCertificate({ ...request, availability: "active" }, joiner)).rejects.toMatchObject({ code: "invalid_argument", message });
  expect(written).toEqual([]);
});

test("an answer of another kind is a defect of the leader", async () => {
  const broken = caHandlers({
    clusterId: "c",
    programVersion: "",
    clock: new FakeClock(0),
    rootCertificate: () => "",
    write: async () => ({ type: "done", done: {} }),
  });
  await expect(broken.issueCertificate({ csr, token, availability: "active" }, joiner)).rejects.toMatchObject({ code: "internal" });
});
