import type { NodeInfo, SwarmInfo } from "./shapes.js";

/** How far the nodes have come with the root that the swarm wants. */
export interface RotationProgress {
  /** Nodes whose certificate is of the desired root. */
  readonly certified: number;
  /** Nodes that trust it and no other. */
  readonly trusting: number;
  readonly total: number;
  /** Host names of nodes without such a certificate, with what keeps them. */
  readonly waiting: readonly string[];
  readonly isDone: boolean;
}

/** What the API says of a rotation of the root. Pure. */
export function rotationOf({ TLSInfo: wanted, RootRotationInProgress }: SwarmInfo, nodes: readonly NodeInfo[]): RotationProgress {
  const isCertified = ({ Description: { TLSInfo: own } }: NodeInfo) =>
    own?.CertIssuerPublicKey === wanted.CertIssuerPublicKey && own?.CertIssuerSubject === wanted.CertIssuerSubject;
  const certified = nodes.filter(isCertified).length;
  const trusting = RootRotationInProgress ? 0 : nodes.filter(({ Description: { TLSInfo: own } }) => own?.TrustRoot === wanted.TrustRoot).length;
  return {
    certified,
    trusting,
    total: nodes.length,
    waiting: nodes.filter((node) => !isCertified(node)).map((node) => `${node.Description.Hostname || node.ID} (${node.Status.State})`),
    isDone: !RootRotationInProgress && certified === nodes.length && trusting === nodes.length,
  };
}
