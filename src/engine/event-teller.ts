import type { Clock } from "../base/clock.js";
import type { ContainerConfig } from "../runtime/container-config.js";
import type { ContainerChange, ContainerInfo } from "../runtime/container-runtime.js";
import type { ImageChange } from "../runtime/image-store.js";
import { signalNumber } from "../runtime/signals.js";
import type { VolumeChange } from "../volumes/volume-store.js";
import type { EngineEvent, EngineEvents } from "./events.js";

type Attributes = Readonly<Record<string, string>>;

/** Words what happens on this host as Docker's events, with the time of their telling. */
export class EventTeller {
  readonly #events: EngineEvents;
  readonly #clock: Clock;

  constructor(events: EngineEvents, clock: Clock) {
    this.#events = events;
    this.#clock = clock;
  }

  container(action: string, { config }: ContainerInfo, attributes: Attributes = {}): void {
    this.#tell("container", action, config.id, { ...config.labels, image: config.image, name: config.name, ...attributes });
  }

  /** What its runtime told. Changed settings are told by who changes them. */
  change(change: ContainerChange, info: ContainerInfo): void {
    if (change === "exit") {
      if (info.exit?.isOutOfMemory) this.container("oom", info);
      this.container("die", info, { exitCode: `${info.exit?.exitCode ?? 0}` });
      this.#network("disconnect", info);
    } else if (change === "remove") this.container("destroy", info);
    else if (change !== "update") {
      if (change === "start") this.#network("connect", info);
      this.container(change, info);
    }
  }

  /** A signal was sent to it, by name or number. */
  signal(info: ContainerInfo, signal: string): void {
    this.container("kill", info, { signal: `${signalNumber(signal)}` });
  }

  image({ action, subject, name, labels }: ImageChange): void {
    this.#tell("image", action, subject, { ...labels, name });
  }

  volume({ action, volume, attributes }: VolumeChange): void {
    this.#tell("volume", action, volume.name, attributes);
  }

  /** A container is on its network as long as it runs; one that shares another one's is on none of its own. */
  #network(action: "connect" | "disconnect", { config }: ContainerInfo): void {
    const place = networkOf(config);
    if (place !== null) this.#tell("network", action, place.name, { container: config.id, ...place });
  }

  #tell(type: EngineEvent["type"], action: string, id: string, attributes: Attributes): void {
    this.#events.tell({ type, action, id, attributes, timeMs: this.#clock.now() });
  }
}

/** Name and driver of its network. */
function networkOf({ network }: ContainerConfig): { readonly name: string; readonly type: string } | null {
  if (network === null) return { name: "none", type: "null" };
  if (network === "host") return { name: "host", type: "host" };
  return "container" in network ? null : { name: "bridge", type: "bridge" };
}
