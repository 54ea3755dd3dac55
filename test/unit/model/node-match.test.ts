import { expect, test } from "vitest";
import { nodeMatches } from "../../../src/model/node-match.js";
import { testNode } from "../../support/services.js";

test.each([
  [[], true],
  [["node.labels.disk==ssd"], true],
  [["node.labels.disk==ssd", "node.labels.disk!=ssd"], false],
  [["neither this nor that"], true],
])("%j: %s", (expressions, matches) => {
  expect(nodeMatches(expressions, testNode("n1", { labels: { disk: "ssd" } }))).toBe(matches);
});
