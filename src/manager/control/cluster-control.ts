import { ClusterError } from "../../base/errors.js";
import { withClusterDefaults } from "../../model/defaults.js";
import type { Cluster, RootCa } from "../../model/objects.js";
import { validateClusterSpec } from "../../model/validation/cluster-spec.js";
import { createJoinToken } from "../../pki/join-token.js";
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
    if (request.rotateUnlockKey) throw new ClusterError("unimplemented", "locking managers is not supported yet");
    const spec = withClusterDefaults(request.spec);
    validateClusterSpec(spec);
    await this.#store.update((tx) => {
      const { cluster } = tx;
      if (cluster === undefined) throw missing("cluster", "");
      if (cluster.meta?.version !== request.version) throw outOfSequence();
      tx.update("cluster", { ...cluster, spec, rootCa: withNewTokens(cluster.rootCa, request) }, { isClientWrite: true });
    });
    const { cluster } = this.#store.view;
    if (cluster === undefined) throw missing("cluster", "");
    return { type: "cluster", cluster: withoutKey(cluster) };
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

/** The signing key has no business in an answer. */
function withoutKey(cluster: Cluster): Cluster {
  return cluster.rootCa === null ? cluster : { ...cluster, rootCa: { ...cluster.rootCa, key: "" } };
}
