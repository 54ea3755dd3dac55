import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { Gauge, type Registry } from "prom-client";

const LOOK_MS = 500;
const NAME = "nodejs_eventloop_lag";
const FIGURES: readonly (readonly [name: string, read: (looks: IntervalHistogram) => number])[] = [
  ["min", ({ min }) => min],
  ["max", ({ max }) => max],
  ["mean", ({ mean }) => mean],
  ["p50", (looks) => looks.percentile(50)],
  ["p90", (looks) => looks.percentile(90)],
  ["p99", (looks) => looks.percentile(99)],
];

/** To be given to `collectDefaultMetrics`, so that its own look at the event loop, which is replaced here, never wakes the daemon. */
export const NEVER_MS = 2 ** 31 - 1;

/**
 * How late the event loop comes to a timer of 500 ms, since the last scrape. The default metrics look every 10 ms, a hundred wake-ups a second, which cost an idle
 * daemon more than all its work; and what they show is the whole time between two looks, not the lateness.
 */
export function measureEventLoopLag(registry: Registry): void {
  const looks = monitorEventLoopDelay({ resolution: LOOK_MS });
  looks.enable();
  for (const [figure, read] of FIGURES) {
    const name = `${NAME}_${figure}_seconds`;
    registry.removeSingleMetric(name);
    new Gauge({
      name,
      help: `Lateness of a timer of ${LOOK_MS} ms since the last scrape: ${figure}.`,
      registers: [registry],
      collect() {
        // Without a look since, they are those of an empty set.
        this.set(looks.count === 0 ? 0 : Math.max(0, read(looks) / 1e9 - LOOK_MS / 1e3));
        if (figure === "p99") looks.reset(); // The last one.
      },
    });
  }
  registry.removeSingleMetric(`${NAME}_stddev_seconds`);
}
