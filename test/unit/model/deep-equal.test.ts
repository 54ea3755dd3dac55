import { expect, test } from "vitest";
import { isDeepEqual } from "../../../src/model/deep-equal.js";

test.each([
  [1n, 1n, true],
  [1n, 2n, false],
  [null, null, true],
  [null, {}, false],
  [{}, { a: undefined }, true],
  [{ a: 1 }, {}, false],
  [{ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 }, true],
  [[1, 2], [2, 1], false],
  [[1], [1, 2], false],
  [[], {}, false],
  [Uint8Array.of(1, 2), Uint8Array.of(1, 2), true],
  [Uint8Array.of(1, 2), Uint8Array.of(1, 3), false],
  [Uint8Array.of(1), [1], false],
  [{ toString: undefined }, {}, true],
  [{ constructor: 1 }, {}, false],
])("%o and %o: %s", (a, b, equal) => {
  expect(isDeepEqual(a, b)).toBe(equal);
  expect(isDeepEqual(b, a)).toBe(equal);
});
