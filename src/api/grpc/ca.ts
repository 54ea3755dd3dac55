import type { Clock } from "../../base/clock.js";
import { ClusterError } from "../../base/errors.js";
import { publicKeyOfCsr } from "../../pki/csr.js";
import { parseJoinToken } from "../../pki/join-token.js";
import { RenewalNonces, verifyLateRenewal } from "../../pki/late-renewal.js";
import { PROTOCOL } from "../../rpc/join-check.js";
import type { ServiceHandlers } from "../../rpc/server-call.js";
import type { CaService, IssueCertificateReply } from "../../wire/generated/ca.js";
import type { ControlReply, ControlRequest, IssueCertificate } from "../../wire/generated/control.js";

export interface CaBackend {
  /** The root certificates that this manager trusts now, PEM. */
  rootCertificate(): string;
  readonly clusterId: string;
  readonly programVersion: string;
  readonly clock: Clock;
  /** Carries a write out on the leader, wherever it is. */
  write(request: ControlRequest): Promise<ControlReply>;
}

/**
 * How a node gets and renews its identity. Open to anonymous callers, so what costs nothing to refuse is refused here: the leader then compares the
 * token's secret, and decides node id and role.
 */
export function caHandlers(backend: CaBackend): ServiceHandlers<typeof CaService> {
  const nonces = new RenewalNonces();
  return {
    async rootCertificate() {
      const { clusterId, programVersion, clock } = backend;
      return { certificate: backend.rootCertificate(), clusterId, nowMs: clock.now(), protocol: PROTOCOL, programVersion };
    },

    async issueCertificate(request, { caller }) {
      if (caller.role === "anonymous" && request.token === "")
        throw new ClusterError("invalid_argument", "a valid join token is necessary to join this cluster");
      if (request.token !== "") parseJoinToken(request.token);
      publicKeyOfCsr(request.csr);
      return await issue(backend, { request, callerNodeId: caller.nodeId, callerAddress: caller.address });
    },

    async renewalNonce() {
      return { nonce: nonces.issue(backend.clock.now()) };
    },

    async renewLate(request, { caller }) {
      nonces.check(request.nonce, backend.clock.now());
      publicKeyOfCsr(request.csr);
      const owner = verifyLateRenewal(request, { rootCertificate: backend.rootCertificate(), clusterId: backend.clusterId });
      return await issue(backend, {
        request: { csr: request.csr, token: "", availability: "active" },
        callerNodeId: owner.nodeId,
        callerAddress: caller.address,
        lateKeyDigest: owner.publicKeyDigest,
      });
    },
  };
}

async function issue(backend: CaBackend, issueCertificate: IssueCertificate): Promise<IssueCertificateReply> {
  const reply = await backend.write({ type: "issueCertificate", issueCertificate });
  if (reply.type !== "issueCertificate") throw new ClusterError("internal", `leader answered a certificate request with "${reply.type}"`);
  return reply.issueCertificate;
}
