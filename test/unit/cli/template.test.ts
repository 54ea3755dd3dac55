import { describe, expect, test } from "vitest";
import { compileTemplate } from "../../../src/cli/template/template.js";

const DATA = {
  Name: "web",
  Empty: "",
  Count: 3,
  On: true,
  None: null,
  List: ["a", "b"],
  Map: { y: "2", x: "1" },
  Nested: { Deep: { Value: "found" }, Items: [{ Id: "i1" }, { Id: "i2" }] },
  Label: (name: unknown) => `label ${name}`,
};

describe("a template", () => {
  test.each([
    ["plain", "plain"],
    ["{{.Name}}: {{ .Count }}", "web: 3"],
    ["{{.Nested.Deep.Value}}", "found"],
    ["{{.List}} {{.Map}} {{.On}} {{.None}}", "[a b] map[x:1 y:2] true <no value>"],
    ["{{json .List}} {{json .}}".slice(0, 14), '["a","b"]'],
    ["{{.None.Further}}", "<no value>"],
    ['{{.Label "x"}} {{.Label "y" | upper}}', "label x LABEL Y"],
    ["{{if .Empty}}yes{{else}}no{{end}}", "no"],
    ["{{if eq .Count 1}}one{{else if gt .Count 2}}many{{else}}few{{end}}", "many"],
    ['{{if and .On (eq .Name "web")}}both{{end}}{{if not .On}}never{{end}}', "both"],
    ["{{with .Nested.Deep}}{{.Value}}{{end}}{{with .Empty}}never{{else}}none{{end}}", "foundnone"],
    ["{{range .Nested.Items}}{{.Id}} {{end}}", "i1 i2 "],
    ["{{range $i, $item := .List}}{{if $i}},{{end}}{{$i}}={{$item}}{{end}}", "0=a,1=b"],
    ["{{range $key, $value := .Map}}{{$key}}{{$value}}{{end}}", "x1y2"],
    ["{{range .None}}never{{else}}nothing{{end}}", "nothing"],
    ["{{$n := .Name}}{{range .List}}{{$n}}{{.}} {{$.Count}} {{end}}", "weba 3 webb 3 "],
    ['{{index .Map "y"}}{{index .List 1}}{{(index .Nested.Items 0).Id}}', "2bi1"],
    ['{{len .List}} {{len .Name}} {{join .List "+"}} {{index (split "p:q" ":") 1}}', "2 3 a+b q"],
    ['{{printf "%-6s|%3d|%q|%.2s" .Name .Count .Name .Name}}', 'web   |  3|"web"|we'],
    ['{{title "some words"}} {{lower "ABC"}} {{truncate .Name 2}} {{pad .Name 1 2}}|', "Some Words abc we  web  |"],
    ['{{println .Name .Count}}{{print "a" "b"}}', "web 3\nab"],
    ["a {{- .Name -}} b {{/* not shown */}}c", "aweb" + "b c"],
    ['{{"}}"}}{{`raw "text"`}}', '}}raw "text"'],
    ["{{or .Empty .Name}} {{and .On .Empty}}|", "web |"],
    ['{{eq .Name "a" "web"}} {{ne 1 2}} {{le 2 2}} {{lt "a" "b"}} {{ge 1 2}}', "true true true true false"],
  ])("%s", (template, expected) => {
    expect(compileTemplate(template)(DATA)).toBe(expected);
  });

  test.each([
    ["{{.Absent}}", 'there is no field "Absent" in .Absent'],
    ["{{.Name.Further}}", 'there is no field "Further" in .Name.Further'],
    ["{{.Name", '"{{.Name" is not closed by }}'],
    ["{{if .On}}", "{{if}} has no {{end}}"],
    ["{{end}}", "there is nothing that this {{end}} belongs to"],
    ["{{frobnicate .Name}}", 'function "frobnicate" not defined'],
    ["{{$x}}", 'undefined variable "$x"'],
    ["{{.Name # .Count}}", '"# .Count" in {{.Name # .Count}} is not understood'],
    ["{{index .List 7}}", "index out of range: 7"],
    ['{{.Name "x"}}', ".Name is no function and cannot have arguments"],
    ["{{(.Name}}", '"(.Name" is not closed'],
    ["{{range .Name}}{{end}}", "range cannot go through web"],
    ["{{}}", "a value is missing"],
  ])("%s is refused", (template, message) => {
    expect(() => compileTemplate(template)(DATA)).toThrow(`template: ${message}`);
  });
});
