import { entriesOf, FUNCTIONS, isTruthy, textOf } from "./functions.js";
import { type Command, type Node, type Operand, type Pipeline, parseTemplate } from "./parse.js";
import { templateError } from "./template-error.js";

/** Data whose properties may be functions: `{{.Label "x"}}`. */
export type TemplateData = unknown;

/**
 * A `--format` in the language of Go's text/template, as docker has it: fields, pipelines, variables, if, with, range, and docker's functions. A field that is not there is an
 * error. Throws a CommandFailure that quotes what is wrong.
 */
export function compileTemplate(template: string): (data: TemplateData) => string {
  const nodes = parseTemplate(template);
  return (data) => new Rendering(data).nodes(nodes, data);
}

class Rendering {
  readonly #variables = new Map<string, unknown>();

  constructor(data: TemplateData) {
    this.#variables.set("$", data);
  }

  nodes(nodes: readonly Node[], dot: unknown): string {
    return nodes.map((node) => this.#node(node, dot)).join("");
  }

  #node(node: Node, dot: unknown): string {
    if (node.type === "text") return node.text;
    if (node.type === "range") return this.#range(node, dot);
    const value = this.#pipeline(node.pipeline, dot);
    if (node.type === "print") return node.pipeline.variables.length > 0 ? "" : textOf(value);
    if (!isTruthy(value)) return this.nodes(node.otherwise, dot);
    return this.nodes(node.body, node.type === "with" ? value : dot);
  }

  #range(node: Extract<Node, { readonly type: "if" | "with" | "range" }>, dot: unknown): string {
    const value = this.#pipeline({ ...node.pipeline, variables: [] }, dot);
    const items = itemsOf(value);
    if (items.length === 0) return this.nodes(node.otherwise, dot);
    const names = node.pipeline.variables;
    return items
      .map(([key, item]) => {
        if (names.length > 1) this.#variables.set(names[0] ?? "", key);
        if (names.length > 0) this.#variables.set(names.at(-1) ?? "", item);
        return this.nodes(node.body, item);
      })
      .join("");
  }

  #pipeline({ variables, commands }: Pipeline, dot: unknown): unknown {
    let value: unknown;
    commands.forEach((command, index) => {
      value = this.#command(command, dot, index === 0 ? [] : [value]);
    });
    for (const name of variables) this.#variables.set(name, value);
    return value;
  }

  /** What came through the pipe is the last argument. */
  #command([first, ...rest]: Command, dot: unknown, piped: readonly unknown[]): unknown {
    const args = [...rest.map((operand) => this.#value(operand, dot)), ...piped];
    if (first?.type === "function") return call(first.name, args);
    const value = this.#value(first, dot);
    if (typeof value === "function") return (value as (...given: readonly unknown[]) => unknown)(...args);
    if (args.length > 0) throw templateError(`${nameOf(first)} is no function and cannot have arguments`);
    return value;
  }

  #value(operand: Operand | undefined, dot: unknown): unknown {
    if (operand === undefined) return undefined;
    if (operand.type === "value") return operand.value;
    if (operand.type === "function") return call(operand.name, []);
    if (operand.type === "field") return fieldOf(dot, operand.path);
    if (operand.type === "pipeline") return fieldOf(this.#pipeline(operand.pipeline, dot), operand.path);
    if (!this.#variables.has(operand.name)) throw templateError(`undefined variable "${operand.name}"`);
    return fieldOf(this.#variables.get(operand.name), operand.path);
  }
}

function call(name: string, args: readonly unknown[]): unknown {
  const run = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (run === undefined) throw templateError(`function "${name}" not defined`);
  return run(...args);
}

function fieldOf(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((held, key) => {
    if (held === null || held === undefined) return undefined;
    if (typeof held !== "object" || !Object.hasOwn(held, key)) throw templateError(`there is no field "${key}" in .${path.join(".")}`);
    return (held as Readonly<Record<string, unknown>>)[key];
  }, value);
}

function itemsOf(value: unknown): readonly (readonly [unknown, unknown])[] {
  if (Array.isArray(value)) return value.map((item, index) => [index, item]);
  if (value === null || value === undefined) return [];
  if (typeof value === "object") return entriesOf(value);
  throw templateError(`range cannot go through ${textOf(value)}`);
}

function nameOf(operand: Operand | undefined): string {
  return operand?.type === "field" ? `.${operand.path.join(".")}` : operand?.type === "variable" ? operand.name : "a value";
}
