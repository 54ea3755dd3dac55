import { expect, test } from "vitest";
import { durationText } from "../../../src/base/duration-text.js";

test.each([
  [-5, "Less than a second"],
  [999, "Less than a second"],
  [1_000, "1 second"],
  [59_000, "59 seconds"],
  [60_000, "About a minute"],
  [3_599_000, "59 minutes"],
  [3_600_000, "About an hour"],
  [47 * 3_600_000, "47 hours"],
  [48 * 3_600_000, "2 days"],
  [14 * 86_400_000, "2 weeks"],
  [63 * 86_400_000, "2 months"],
  [3 * 365 * 86_400_000, "3 years"],
])("%i ms are %s", (ms, text) => expect(durationText(ms)).toBe(text));
