import { ClusterError } from "../../base/errors.js";
import type { ClusterSpec, RootCa } from "../../model/objects.js";
import { authorityOf } from "../../pki/authority.js";
import type { ExternalSigner } from "../../pki/cfssl-client.js";
import { crossSign } from "../../pki/cross-sign.js";
import { crossSignExternally, externalCasOf, requireReachable } from "../../pki/external-authority.js";
import { readGivenRoot } from "../../pki/given-root.js";
import { createRootCa, type RootCa as Root } from "../../pki/root-ca.js";

/** What an update of the cluster says of its root. */
export interface WantedRoot {
  readonly spec: ClusterSpec;
  /** The spec that this one replaces. */
  readonly previous: ClusterSpec | null;
  /** PEM of a root to have; "" when the operator brings none. */
  readonly certificate: string;
  readonly key: string;
}

interface Means {
  readonly signer: ExternalSigner;
  readonly nowMs: number;
}

/**
 * The cluster's certificate authority as an update wants it: as it is; being rotated to a new root or to a given one, in the place of a rotation under way; or, with
 * the present root given, with that rotation taken back (swarmkit: manager/controlapi/ca_rotation.go). Throws ClusterError `invalid_argument` for a root that cannot
 * be one, `failed_precondition` when nobody could sign or vouch for what it issues.
 */
export async function changedRoot(current: RootCa, wanted: WantedRoot, means: Means): Promise<RootCa> {
  if (wanted.key !== "" && wanted.certificate === "") {
    throw new ClusterError("invalid_argument", "if a signing CA key is provided, the signing CA cert must also be provided");
  }
  // A spec that was written without regard to this counter has zero there: that asks for nothing.
  const isForced = wanted.spec.forceRotate > current.lastForcedRotation;
  const counted = { ...current, lastForcedRotation: Math.max(wanted.spec.forceRotate, current.lastForcedRotation) };
  if (wanted.certificate !== "") return withGivenRoot(counted, wanted, means);
  if (isForced) return begun(counted, createRootCa({ nowMs: means.nowMs }), wanted, means);
  await requireAuthority(current, wanted, means);
  return current;
}

async function withGivenRoot(current: RootCa, wanted: WantedRoot, means: Means): Promise<RootCa> {
  const { signer, nowMs } = means;
  const given = readGivenRoot({ certificate: wanted.certificate, key: wanted.key, nowMs });
  const external = externalCasOf(wanted.spec, current, given.certificate);
  const isCurrent = given.certificate === current.certificate;
  const { rotation } = current;
  const known = isCurrent ? current.key : rotation?.certificate === given.certificate ? rotation.key : "";
  // Whoever names an authority of its own for this root wants the cluster to forget the key.
  const key = given.key !== "" || external.length > 0 ? given.key : known;
  if (key === "") await requireReachable(signer, external, "desired");
  if (isCurrent) return { ...current, key, rotation: null };
  if (rotation !== null && rotation.certificate === given.certificate) return { ...current, rotation: { ...rotation, key } };
  return begun(current, { ...given, key }, wanted, means);
}

/** Cross-signed by the present root, never by that of a rotation under way: nodes may know nothing of the latter. */
async function begun(current: RootCa, next: Root, wanted: WantedRoot, means: Means): Promise<RootCa> {
  return { ...current, rotation: { ...next, crossSigned: await vouchedFor(current, next, wanted, means) } };
}

async function vouchedFor(current: RootCa, next: Root, { spec }: WantedRoot, { signer, nowMs }: Means): Promise<string> {
  if (current.key !== "") return crossSign(next.certificate, { by: current, nowMs });
  if (next.key === "") {
    throw new ClusterError(
      "failed_precondition",
      "cannot rotate from one external CA to another: the cluster has the key of neither root, so nothing can vouch for the new one",
    );
  }
  const external = externalCasOf(spec, current, current.certificate);
  await requireReachable(signer, external, "current");
  return crossSignExternally(signer, external, { newRoot: next.certificate, newKey: next.key, oldRoot: current.certificate, nowMs });
}

/** A cluster without the key of its authority must not lose those who have it. They are asked only when they change: other updates need not wait for them. */
async function requireAuthority(current: RootCa, { spec, previous }: WantedRoot, { signer }: Means): Promise<void> {
  const authority = authorityOf(current);
  const isChanged = JSON.stringify(spec.externalCas) !== JSON.stringify(previous?.externalCas ?? []);
  if (authority.key !== "" || !isChanged) return;
  await requireReachable(signer, externalCasOf(spec, current, authority.certificate), current.rotation === null ? "current" : "next");
}
