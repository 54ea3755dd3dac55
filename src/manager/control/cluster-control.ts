import { ClusterError } from "../../base/errors.js";
import { withClusterDefaults } from "../../model/defaults.js";
import type { Cluster, ClusterSpec, RootCa } from "../../model/objects.js";
import { validateClusterSpec } from "../../model/validation/cluster-spec.js";
import { createJoinToken } from "../../pki/join-token.js";
import { createUnlockKey } from "../../pki/unlock-key.js";
import type { Store } from "../../store/store.js";
import type { ControlReply, UpdateCluster } from "../../wire/generated/control.js";
import { missing, outOfSequence } from "./refusals.js";

/** What clients do to the cluster itself: its spec and its join tokens. */
export class ClusterControl {
  readonly #store: Store;

  constructor(options: { readonly store: Store }) {
    this.#store = options.store;
  }

  async update(request: UpdateCluster): Promise<ControlReply> {
    if (request.spec === null) throw new ClusterError("invalid_argument", "cluster spec must be given");
    const spec = withClusterDefaults(request.spec);
    validateClusterSpec(spec);
    await this.#store.update((tx) => {
      const { cluster } = tx;
      if (cluster === undefined) throw missing("cluster", "");
      if (cluster.meta?.version !== request.version) throw outOfSequence();
      const next = { ...cluster, spec, rootCa: withNewTokens(cluster.rootCa, request), ...locking(cluster, spec, request) };
      tx.update("cluster", next, { isClientWrite: true });
    });
    const { cluster } = this.#store.view;
    if (cluster === undefined) throw missing("cluster", "");
    return { type: "cluster", cluster: withoutKeys(cluster) };
  }
}

function withNewTokens(rootCa: RootCa | null, { rotateWorkerToken, rotateManagerToken }: UpdateCluster): RootCa | null {
  if (rootCa === null || rootCa.joinTokens === null || (!rotateWorkerToken && !rotateManagerToken)) return rootCa;
  const { worker, manager } = rootCa.joinTokens;
  return {
    ...rootCa,
    joinTokens: {
      worker: rotateWorkerToken ? createJoinToken(rootCa.certificate) : worker,
      manager: rotateManagerToken ? createJoinToken(rootCa.certificate) : manager,
    },
  };
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

/** Neither the signing key nor the unlock key has any business in an answer. */
function withoutKeys(cluster: Cluster): Cluster {
  return { ...cluster, rootCa: cluster.rootCa === null ? null : { ...cluster.rootCa, key: "" }, unlockKey: new Uint8Array(0) };
}
