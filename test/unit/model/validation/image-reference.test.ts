import { expect, test } from "vitest";
import { isImageReference } from "../../../../src/model/validation/image-reference.js";

test.each([
  ["bb", true],
  ["bb:v1", true],
  ["docker.io/library/bb:latest", true],
  ["registry:5000/a/b_c/d__e-f.g", true],
  ["localhost/a", true],
  ["[::1]:5000/a", true],
  [`bb@sha256:${"a".repeat(64)}`, true],
  [`bb:v1@sha256:${"a".repeat(64)}`, true],
  ["EXAMPLE.com/a", true],
  ["", false],
  ["BB", false],
  ["bb:", false],
  ["bb:v 1", false],
  ["-bb", false],
  ["a//b", false],
  ["a/", false],
  ["bb@sha256:abc", false],
  [`bb:${"t".repeat(129)}`, false],
  ["http://x/y", false],
  [`${"a-".repeat(600)}a`, false],
])("%s: %s", (text, expected) => {
  expect(isImageReference(text)).toBe(expected);
});
