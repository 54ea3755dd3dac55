import { expect, test } from "vitest";
import { planHealth } from "../../../src/runtime/health-plan.js";
import { decodeImage } from "../../../src/runtime/images/decode-image.js";
import { encodeImage, imageConfigOf } from "../../../src/runtime/images/image-document.js";
import { applyChanges, EMPTY_CONFIG } from "../../../src/runtime/images/import-changes.js";

const NOTHING = { test: [], intervalMs: 0, timeoutMs: 0, startPeriodMs: 0, startIntervalMs: 0, retries: 0 };
const IMAGE = { ...NOTHING, test: ["CMD", "theirs"], intervalMs: 100, retries: 7 };
const image = (health: typeof IMAGE | null, shell: readonly string[] = []) => ({ health, shell });

test.each([
  ["neither has one", null, null, null],
  ["the image's", null, IMAGE, { ...IMAGE, shell: ["/bin/sh", "-c"] }],
  ["one's own", { ...NOTHING, test: ["CMD-SHELL", "mine"] }, null, { ...NOTHING, test: ["CMD-SHELL", "mine"], shell: ["/bin/sh", "-c"] }],
  ["field by field", { ...NOTHING, intervalMs: 5, timeoutMs: 9 }, IMAGE, { ...IMAGE, intervalMs: 5, timeoutMs: 9, shell: ["/bin/sh", "-c"] }],
  ["switched off", { ...NOTHING, test: ["NONE"] }, IMAGE, null],
  ["switched off by the image", { ...NOTHING, intervalMs: 5 }, { ...NOTHING, test: ["NONE"] }, null],
  ["an image's that nobody understands", null, { ...NOTHING, test: ["HTTP", "x"] }, null],
])("%s", (_, own, theirs, expected) => {
  expect(planHealth(own, image(theirs))).toEqual(expected);
});

test("the image's shell runs lines", () => {
  expect(planHealth({ ...NOTHING, test: ["CMD-SHELL", "x"] }, image(null, ["/bin/bash", "-c"]))?.shell).toEqual(["/bin/bash", "-c"]);
});

test.each([
  [["HTTP", "/"], "Unknown healthcheck type 'HTTP'"],
  [["CMD"], 'the healthcheck ["CMD"] names no command'],
])("a test %j is refused", (words, text) => {
  expect(() => planHealth({ ...NOTHING, test: words }, image(null))).toThrow(text);
});

test.each([
  ["HEALTHCHECK NONE", { ...NOTHING, test: ["NONE"] }],
  ["HEALTHCHECK CMD curl -f http://localhost/ || exit 1", { ...NOTHING, test: ["CMD-SHELL", "curl -f http://localhost/ || exit 1"] }],
  [
    'HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=2s --start-interval=1s --retries=4 CMD ["a","b c"]',
    { test: ["CMD", "a", "b c"], intervalMs: 90_000, timeoutMs: 500, startPeriodMs: 2000, startIntervalMs: 1000, retries: 4 },
  ],
])("%s", (change, expected) => {
  const config = applyChanges(EMPTY_CONFIG, [change]);
  expect(config.health).toEqual(expected);
  const platform = { os: "linux", architecture: "amd64", variant: "" };
  expect(imageConfigOf(decodeImage(encodeImage({ platform, config, layers: [], comment: "" }).bytes)).health).toEqual(expected);
});

test.each([
  ["HEALTHCHECK curl", '"curl" is neither NONE nor CMD with a command'],
  ["HEALTHCHECK --interval=soon CMD x", '--interval: "soon" is not a duration'],
  ["HEALTHCHECK --retries=0 CMD x", "--retries must be at least 1 (not 0)"],
  ["HEALTHCHECK --often=1s CMD x", "unknown flag: --often"],
])("%s is refused", (change, text) => {
  expect(() => applyChanges(EMPTY_CONFIG, [change])).toThrow(text);
});

test.each(['"1s"', "-1", "0.5", "1e300", "9223372036854775808"])("an image whose healthcheck is not one says so: an interval of %s", (interval) => {
  const bytes = Buffer.from(`{"config":{"Healthcheck":{"Interval":${interval}}},"rootfs":{}}`);
  expect(() => decodeImage(bytes)).toThrow('"Healthcheck.Interval" of the image configuration is not a 64-bit integer from 0');
});
