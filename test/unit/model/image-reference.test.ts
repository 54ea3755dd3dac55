import { expect, test } from "vitest";
import { canonicalReference, familiarReference, parseReference } from "../../../src/model/image-reference.js";

const DIGEST = `sha256:${"a".repeat(64)}`;

test.each([
  ["bb", "docker.io/library/bb:latest", "bb:latest"],
  ["bb:v1", "docker.io/library/bb:v1", "bb:v1"],
  ["docker.io/library/bb", "docker.io/library/bb:latest", "bb:latest"],
  ["docker.io/bb", "docker.io/library/bb:latest", "bb:latest"],
  ["index.docker.io/team/bb", "docker.io/team/bb:latest", "team/bb:latest"],
  ["team/bb:1.2-rc_3", "docker.io/team/bb:1.2-rc_3", "team/bb:1.2-rc_3"],
  ["localhost/bb", "localhost/bb:latest", "localhost/bb:latest"],
  ["host:5000/a/b__c/d-e:t", "host:5000/a/b__c/d-e:t", "host:5000/a/b__c/d-e:t"],
  ["Registry/x", "Registry/x:latest", "Registry/x:latest"],
  ["[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"],
  [`bb@${DIGEST}`, `docker.io/library/bb@${DIGEST}`, `bb@${DIGEST}`],
  [`bb:v1@${DIGEST}`, `docker.io/library/bb:v1@${DIGEST}`, `bb:v1@${DIGEST}`],
])("%s", (text, canonical, familiar) => {
  const reference = parseReference(text);
  expect([canonicalReference(reference), familiarReference(reference)]).toEqual([canonical, familiar]);
  expect(canonicalReference(parseReference(canonical))).toBe(canonical);
});

test.each([
  "",
  " ",
  "bb:",
  ":v1",
  "bb:a b",
  "a//b",
  "/a",
  "a/",
  "a:b:c",
  "-a",
  "a..b",
  "bb@sha256:123",
  "bb@md5:abc",
  `bb:${"t".repeat(129)}`,
  "ü",
  "a".repeat(64),
  `${"x/".repeat(130)}x`,
])("%j is no reference", (text) => {
  expect(() => parseReference(text)).toThrow(
    expect.objectContaining({ code: "invalid_argument", message: expect.stringContaining("invalid reference format") }),
  );
});

test("capitals in a name get their own words", () => {
  expect(() => parseReference("BB")).toThrow("invalid reference format: repository name (library/BB) must be lowercase");
});
