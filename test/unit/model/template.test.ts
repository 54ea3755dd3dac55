import { expect, test } from "vitest";
import { expandTemplate } from "../../../src/model/template.js";

const context = {
  service: { id: "s1", name: "web", labels: { tier: "front", "com.example.a-b": "dotted" } },
  node: { id: "n1", hostname: "host-1", platform: { architecture: "x86_64", os: "linux" } },
  task: { id: "t1", name: "web.3.t1", slot: "3" },
};

test.each([
  ["plain { text }", "plain { text }"],
  ["{{.Service.ID}} {{.Service.Name}}", "s1 web"],
  ["{{.Node.ID}}/{{.Node.Hostname}}/{{.Node.Platform.Architecture}}/{{.Node.Platform.OS}}", "n1/host-1/x86_64/linux"],
  ["{{ .Task.ID }}-{{ .Task.Name }}-{{ .Task.Slot }}", "t1-web.3.t1-3"],
  ['{{.Service.Labels.tier}} {{index .Service.Labels "com.example.a-b"}}', "front dotted"],
  ['{{join "-" .Service.Name .Task.Slot `x`}}', "web-3-x"],
  ["a {{- .Task.Slot -}} b", "a3b"],
])("%s", (text, expanded) => {
  expect(expandTemplate(text, context)).toBe(expanded);
});

test.each([
  "{{.Service.Nope}}",
  "{{.Service.Labels.nope}}",
  "{{.Service.Labels.constructor}}",
  "{{range .X}}",
  "{{.Task.ID",
  "{{}}",
  "{{.Node.Hostname | upper}}",
])("%s is refused", (text) => {
  expect(() => expandTemplate(text, context)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
});
