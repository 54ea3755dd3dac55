import { systemClock } from "../../src/base/clock.js";
import { silentLogger } from "../../src/base/log.js";
import type { NodeRole } from "../../src/model/objects.js";
import { createCsr } from "../../src/pki/csr.js";
import type { NodeCredentials } from "../../src/pki/identity-files.js";
import { createNodeKey } from "../../src/pki/keys.js";
import { issueNodeCertificate } from "../../src/pki/node-certificate.js";
import { createRootCa, type RootCa } from "../../src/pki/root-ca.js";
import { LiveIdentity } from "../../src/rpc/live-identity.js";
import { RpcServer, type RpcServerOptions } from "../../src/rpc/server.js";

/** A certificate authority and what it takes to be a node of its cluster, for tests with real servers on 127.0.0.1. */
export class TestCa {
  readonly clusterId: string;
  readonly root: RootCa;

  constructor(clusterId = "cluster1", root: RootCa = createRootCa({ nowMs: Date.now() })) {
    this.clusterId = clusterId;
    this.root = root;
  }

  credentials(nodeId: string, role: NodeRole = "manager", nowMs = Date.now()): NodeCredentials {
    return this.certified(createNodeKey(), nodeId, role, nowMs);
  }

  /** For a key (PEM) that is there already. */
  certified(key: string, nodeId: string, role: NodeRole = "manager", nowMs = Date.now()): NodeCredentials {
    const certificate = issueNodeCertificate({
      rootCa: this.root,
      csr: createCsr(key),
      nodeId,
      role,
      clusterId: this.clusterId,
      validityMs: 3_600_000,
      nowMs,
    });
    return { rootCertificate: this.root.certificate, certificate, key };
  }

  identity(nodeId: string, role: NodeRole = "manager", nowMs = Date.now()): LiveIdentity {
    return new LiveIdentity(this.credentials(nodeId, role, nowMs));
  }

  server(identity: LiveIdentity, options: Partial<RpcServerOptions> = {}): RpcServer {
    return new RpcServer({ identity, clock: systemClock, logger: silentLogger, ...options });
  }
}
