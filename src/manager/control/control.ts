import type { Clock } from "../../base/clock.js";
import { unreachable } from "../../base/assert.js";
import type { ExternalSigner } from "../../pki/cfssl-client.js";
import type { Store } from "../../store/store.js";
import type { ControlReply, ControlRequest } from "../../wire/generated/control.js";
import { CertificateControl } from "./certificate-control.js";
import { ClusterControl } from "./cluster-control.js";
import { MemberControl } from "./member-control.js";
import type { Membership } from "./membership.js";
import { NodeControl } from "./node-control.js";
import { ServiceControl } from "./service-control.js";

/** Carries out every write that somebody asks for, on the leader. */
export class Control {
  readonly #store: Store;
  readonly #services: ServiceControl;
  readonly #nodes: NodeControl;
  readonly #clusters: ClusterControl;
  readonly #members: MemberControl;
  readonly #certificates: CertificateControl;

  constructor(options: { readonly store: Store; readonly clock: Clock; readonly membership: Membership; readonly signer: ExternalSigner }) {
    this.#store = options.store;
    this.#services = new ServiceControl(options);
    this.#nodes = new NodeControl(options);
    this.#clusters = new ClusterControl(options);
    this.#members = new MemberControl(options);
    this.#certificates = new CertificateControl(options);
  }

  /**
   * Resolves once the write is committed and applied here. Throws ClusterError: what the request did wrong (nothing was changed then), `unavailable` when too many wait, `no_leader` (never proposed, or by `laterPart` not all of it), or
   * `outcome_unknown`. Never answers with an error reply: that form is for the wire.
   */
  async execute(request: ControlRequest): Promise<ControlReply> {
    this.#store.assertRoom();
    switch (request.type) {
      case "createService":
        return this.#services.create(request.createService);
      case "updateService":
        return this.#services.update(request.updateService);
      case "removeService":
        return this.#services.remove(request.removeService);
      case "updateNode":
        return this.#nodes.update(request.updateNode);
      case "removeNode":
        return this.#nodes.remove(request.removeNode);
      case "updateCluster":
        return this.#clusters.update(request.updateCluster);
      case "joinMember":
        return this.#members.join(request.joinMember);
      case "leaveMember":
        return this.#members.leave(request.leaveMember);
      case "issueCertificate":
        return this.#certificates.issue(request.issueCertificate);
      default:
        return unreachable(request);
    }
  }
}
