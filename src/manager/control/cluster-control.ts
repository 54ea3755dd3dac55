import type { Clock } from "../../base/clock.js";
import { ClusterError } from "../../base/errors.js";
import { withClusterDefaults } from "../../model/defaults.js";
import type { Cluster, ClusterSpec, RootCa } from "../../model/objects.js";
import { validateClusterSpec } from "../../model/validation/cluster-spec.js";
import type { ExternalSigner } from "../../pki/cfssl-client.js";
import { validateExternalRoots, withNamedRoots } from "../../pki/external-authority.js";
import { withNewTokens } from "../../pki/root-rotation.js";
import { createUnlockKey } from "../../pki/unlock-key.js";
import type { Store } from "../../store/store.js";
import type { ControlReply, UpdateCluster } from "../../wire/generated/control.js";
import { missing, outOfSequence } from "./refusals.js";
import { changedRoot } from "./root-change.js";

/** What clients do to the cluster itself: its spec, its root certificate and its join tokens. */
export class ClusterControl {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #signer: ExternalSigner;

  constructor(options: { readonly store: Store; readonly clock: Clock; readonly signer: ExternalSigner }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#signer = options.signer;
  }

  async update(request: UpdateCluster): Promise<ControlReply> {
    if (request.spec === null) throw new ClusterError("invalid_argument", "cluster spec must be given");
    const spec = withClusterDefaults(request.spec);
    validateClusterSpec(spec);
    validateExternalRoots(spec.externalCas);
    // Whoever may vouch for a new root is asked outside of the transaction; a rotation that ends meanwhile is why it is done again.
    while (!(await this.#tryUpdate(request, spec)));
    const { cluster } = this.#store.view;
    if (cluster === undefined) throw missing("cluster", "");
    return { type: "cluster", cluster: withoutKeys(cluster) };
  }

  /** False when the root has changed since it was looked at. */
  async #tryUpdate(request: UpdateCluster, spec: ClusterSpec): Promise<boolean> {
    const before = this.#current(this.#store.view.cluster, request);
    const seen = before.rootCa;
    const wanted = { spec, previous: before.spec, certificate: request.signingCaCertificate ?? "", key: request.signingCaKey ?? "" };
    const changed = seen === null ? null : await changedRoot(seen, wanted, { signer: this.#signer, nowMs: this.#clock.now() });
    let isDone = false;
    await this.#store.update((tx) => {
      const cluster = this.#current(tx.cluster, request);
      isDone = isSameRoot(cluster.rootCa, seen);
      if (!isDone) return;
      const rootCa = changed === null ? null : withAskedTokens(changed, request);
      const forceRotate = Math.max(spec.forceRotate, rootCa?.lastForcedRotation ?? 0);
      const externalCas = rootCa === null ? spec.externalCas : withNamedRoots(spec.externalCas, rootCa);
      tx.update("cluster", { ...cluster, spec: { ...spec, forceRotate, externalCas }, rootCa, ...locking(cluster, spec, request) }, { isClientWrite: true });
    });
    return isDone;
  }

  #current(cluster: Cluster | undefined, request: UpdateCluster): Cluster {
    if (cluster === undefined) throw missing("cluster", "");
    if (cluster.meta?.version !== request.version) throw outOfSequence(request.version, cluster.meta?.version);
    return cluster;
  }
}

/** Every manager follows: with a new unlock key its keys are wrapped anew and its log gets a new data key, since the one before may have been read. */
function locking(
  cluster: Cluster,
  spec: ClusterSpec,
  { rotateUnlockKey, rotateDataKeys }: UpdateCluster,
): { readonly unlockKey: Uint8Array; readonly dataKeyEpoch: number } {
  const { unlockKey = new Uint8Array(0), dataKeyEpoch = 0 } = cluster;
  if (rotateUnlockKey && !spec.autoLockManagers) {
    throw new ClusterError("failed_precondition", "cannot rotate the unlock key because autolock is not turned on");
  }
  if (!spec.autoLockManagers) return { unlockKey: new Uint8Array(0), dataKeyEpoch: dataKeyEpoch + (rotateDataKeys === true ? 1 : 0) };
  const isNew = unlockKey.length === 0 || rotateUnlockKey;
  return { unlockKey: isNew ? createUnlockKey() : unlockKey, dataKeyEpoch: dataKeyEpoch + (isNew || rotateDataKeys === true ? 1 : 0) };
}

function isSameRoot(a: RootCa | null, b: RootCa | null): boolean {
  return a?.certificate === b?.certificate && a?.key === b?.key && a?.rotation?.certificate === b?.rotation?.certificate;
}

function withAskedTokens(rootCa: RootCa, { rotateWorkerToken, rotateManagerToken }: UpdateCluster): RootCa {
  if (rootCa.joinTokens === null || (!rotateWorkerToken && !rotateManagerToken)) return rootCa;
  return withNewTokens(rootCa, { worker: rotateWorkerToken, manager: rotateManagerToken });
}

/** Neither the signing keys nor the unlock key have any business in an answer. */
function withoutKeys(cluster: Cluster): Cluster {
  const { rootCa } = cluster;
  const rotation = rootCa === null || rootCa.rotation === null ? null : { ...rootCa.rotation, key: "" };
  return { ...cluster, rootCa: rootCa === null ? null : { ...rootCa, key: "", rotation }, unlockKey: new Uint8Array(0) };
}
