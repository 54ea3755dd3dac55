import { describe, expect, test } from "vitest";
import { matchesConstraints, parseConstraints } from "../../../src/model/constraints.js";
import type { Node } from "../../../src/model/objects.js";
import { nodeDescription } from "../../support/node-description.js";
import { testNode } from "../../support/services.js";

const NODE: Node = {
  ...testNode("abc1", { labels: { zone: "East", Case: "x" } }),
  role: "manager",
  status: { state: "ready", message: "", address: "10.88.0.3" },
  description: nodeDescription("Host-1", { engine: { engineVersion: "1", labels: { disk: "ssd" }, plugins: [] } }),
};

describe("parseConstraints", () => {
  test.each([
    ["node.role==manager", { key: "node.role", operator: "==", value: "manager" }],
    [" node.role !=  worker ", { key: "node.role", operator: "!=", value: "worker" }],
    ["node.labels.a-b.c_d==x y", { key: "node.labels.a-b.c_d", operator: "==", value: "x y" }],
    ["node.ip==10.0.0.0/8", { key: "node.ip", operator: "==", value: "10.0.0.0/8" }],
  ])("%s", (text, constraint) => {
    expect(parseConstraints([text])).toEqual([constraint]);
  });

  test.each([
    ["node.role", "expected one operator from ==, !="],
    ["node.role=manager", "expected one operator from ==, !="],
    ["==manager", "key '' is invalid"],
    ["1node==x", "key '1node' is invalid"],
    ["node role==x", "key 'node role' is invalid"],
    ["node.role==", "value '' is invalid"],
    ["node.role==a;b", "value 'a;b' is invalid"],
    ["node.role===x", "value '=x' is invalid"],
  ])("refuses %s", (text, message) => {
    expect(() => parseConstraints([text])).toThrow(expect.objectContaining({ code: "invalid_argument", message: `constraint "${text}": ${message}` }));
  });
});

describe("matchesConstraints", () => {
  test.each([
    ["node.id==abc1", true],
    ["node.id==abc", false],
    ["NODE.ID==ABC1", true],
    ["node.hostname==host-1", true],
    ["node.hostname!=host-1", false],
    ["node.role==manager", true],
    ["node.role!=manager", false],
    ["node.platform.os==linux", true],
    ["node.platform.arch==x86_64", true],
    ["node.platform.arch==amd64", false],
    ["node.labels.zone==east", true],
    ["node.labels.Zone==east", false],
    ["Node.Labels.Case==X", true],
    ["node.labels.missing!=x", true],
    ["node.labels.missing==x", false],
    ["node.labels.toString!=x", true],
    ["engine.labels.disk==ssd", true],
    ["engine.labels.zone==east", false],
    ["node.ip==10.88.0.3", true],
    ["node.ip==10.88.0.0/16", true],
    ["node.ip!=10.88.0.0/16", false],
    ["node.ip==10.89.0.0/16", false],
    ["node.ip!=10.89.0.0/16", true],
    ["node.ip==not-an-address", false],
    ["node.ip!=not-an-address", false],
    ["node.ip==10.88.0.0/33", false],
    ["node.unknown==x", false],
    ["node.unknown!=x", false],
    ["node.labels.==x", false],
    ["node.role==mana*", false],
  ])("%s is %s", (text, expected) => {
    expect(matchesConstraints(parseConstraints([text]), NODE)).toBe(expected);
  });

  test("all must hold", () => {
    expect(matchesConstraints(parseConstraints(["node.role==manager", "node.labels.zone==east"]), NODE)).toBe(true);
    expect(matchesConstraints(parseConstraints(["node.role==manager", "node.labels.zone==west"]), NODE)).toBe(false);
    expect(matchesConstraints([], NODE)).toBe(true);
  });
});
