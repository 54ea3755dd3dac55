import type { Clock } from "../../base/clock.js";
import { ClusterError } from "../../base/errors.js";
import { newId } from "../../base/ids.js";
import type { PortConfig, Service, ServiceSpec } from "../../model/objects.js";
import { validateServiceSpec } from "../../model/validation/service-spec.js";
import type { Store } from "../../store/store.js";
import type { StoreView } from "../../store/view.js";
import type { ControlReply, CreateService, RemoveService, UpdateService } from "../../wire/generated/control.js";
import { missing, outOfSequence } from "./refusals.js";
import { rolledBack, updated } from "./service-change.js";
import { assertServiceSize } from "./service-size.js";

/** What clients do to services. Each change is one transaction; what follows from it is the orchestrators' work. */
export class ServiceControl {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(options: { readonly store: Store; readonly clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  async create({ spec }: CreateService): Promise<ControlReply> {
    validateServiceSpec(spec);
    const service = newService(spec);
    assertServiceSize(service);
    await this.#store.update((tx) => {
      assertNameIsFree(tx, spec.name);
      assertPortsAreFree(tx, service.id, spec);
      tx.create("service", service, { isClientWrite: true });
    });
    return written(service.id);
  }

  async update(request: UpdateService): Promise<ControlReply> {
    const isRollback = request.rollback === "previous";
    if (!isRollback) validateServiceSpec(request.spec);
    await this.#store.update((tx) => {
      const service = tx.services.get(request.serviceId);
      if (service === undefined) throw missing("service", request.serviceId);
      if (service.meta?.version !== request.version) throw outOfSequence(request.version, service.meta?.version);
      const next = isRollback ? rolledBack(service, this.#clock.now()) : updated(service, request.spec, request.registryAuthSource);
      assertServiceSize(next);
      if (next.spec !== null) assertPortsAreFree(tx, service.id, next.spec);
      tx.update("service", next, { isClientWrite: true });
    });
    return written(request.serviceId);
  }

  async remove({ serviceId }: RemoveService): Promise<ControlReply> {
    await this.#store.update((tx) => {
      if (tx.services.get(serviceId) === undefined) throw missing("service", serviceId);
      tx.remove("service", serviceId, { isClientWrite: true });
    });
    return { type: "done", done: {} };
  }
}

const written = (id: string): ControlReply => ({ type: "service", service: { id } });

function newService(spec: ServiceSpec): Service {
  return {
    id: newId(),
    meta: null,
    spec,
    specVersion: 1,
    previousSpec: null,
    previousSpecVersion: 0,
    endpoint: null,
    updateStatus: null,
    jobStatus: null,
  };
}

function assertNameIsFree(view: StoreView, name: string): void {
  const [holder] = view.services.byName(name);
  if (holder !== undefined) throw new ClusterError("already_exists", `name conflicts with an existing object: service ${name} already exists`);
}

/** A port that is published through the mesh is taken on every node; ports of two services in host mode are the scheduler's matter. */
function assertPortsAreFree(view: StoreView, serviceId: string, spec: ServiceSpec): void {
  const wanted = (spec.endpoint?.ports ?? []).filter((port) => port.publishedPort !== 0);
  if (wanted.length === 0) return;
  for (const other of view.services.all()) {
    if (other.id === serviceId) continue;
    for (const taken of portsOf(other)) {
      if (wanted.some((port) => collides(port, taken))) {
        const mode = taken.publishMode === "ingress" ? "an ingress port" : "a host-published port";
        throw new ClusterError(
          "invalid_argument",
          `port '${taken.publishedPort}' is already in use by service '${other.spec?.name ?? ""}' (${other.id}) as ${mode}`,
        );
      }
    }
  }
}

function portsOf(service: Service): readonly PortConfig[] {
  return service.endpoint?.ports ?? service.spec?.endpoint?.ports ?? [];
}

function collides(a: PortConfig, b: PortConfig): boolean {
  const isSame = a.publishedPort === b.publishedPort && a.protocol === b.protocol;
  return isSame && (a.publishMode === "ingress" || b.publishMode === "ingress");
}
