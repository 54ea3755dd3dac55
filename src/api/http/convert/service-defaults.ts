import { DEFAULT_RESTART_POLICY, DEFAULT_STOP_GRACE_PERIOD_NS, DEFAULT_UPDATE_CONFIG } from "../../../model/defaults.js";
import type { ServiceSpec, TaskSpec, UpdateConfig } from "../../../model/objects.js";

/** The spec with the values that hold where the client gave none: what `service inspect` shows with insertDefaults. */
export function withServiceDefaults(spec: ServiceSpec): ServiceSpec {
  return {
    ...spec,
    task: spec.task === null ? null : withTaskDefaults(spec.task),
    mode: spec.mode ?? { type: "replicated", replicated: { replicas: 1 } },
    update: withUpdateDefaults(spec.update),
    rollback: withUpdateDefaults(spec.rollback),
    endpoint: spec.endpoint ?? { mode: "vip", ports: [] },
  };
}

function withTaskDefaults(task: TaskSpec): TaskSpec {
  const { container, restart } = task;
  return {
    ...task,
    container: container === null ? null : { ...container, stopGracePeriodNs: container.stopGracePeriodNs ?? DEFAULT_STOP_GRACE_PERIOD_NS },
    restart: { ...DEFAULT_RESTART_POLICY, ...restart },
  };
}

function withUpdateDefaults(config: UpdateConfig | null): UpdateConfig {
  if (config === null) return DEFAULT_UPDATE_CONFIG;
  return config.monitorNs === 0n ? { ...config, monitorNs: DEFAULT_UPDATE_CONFIG.monitorNs } : config;
}
