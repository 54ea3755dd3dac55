import { expect, test } from "vitest";
import { createUnlockKey, formatUnlockKey, parseUnlockKey, unlockKeyId } from "../../../src/pki/unlock-key.js";

test("an unlock key is written and read in swarm's form", () => {
  const key = Buffer.alloc(32, 7);
  expect(formatUnlockKey(key)).toBe("SWMKEY-1-BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
  expect(parseUnlockKey(` ${formatUnlockKey(key)}\n`)).toEqual(key);
  const drawn = createUnlockKey();
  expect(parseUnlockKey(formatUnlockKey(drawn))).toEqual(drawn);
  expect(createUnlockKey()).not.toEqual(drawn);
  expect(unlockKeyId(key)).toMatch(/^[0-9a-f]{16}$/);
});

test.each(["", "SWMKEY-1-", "SWMKEY-1-abc", `SWMKEY-2-${"A".repeat(43)}`, `SWMKEY-1-${"A".repeat(44)}`, `SWMKEY-1-${"_".repeat(43)}`])(
  'what is no unlock key is said, and not repeated: "%s"',
  (text) => {
    expect(() => parseUnlockKey(text)).toThrow(
      expect.objectContaining({ code: "invalid_argument", message: "invalid key string: an unlock key is SWMKEY-1- and 43 characters of base64" }),
    );
  },
);
