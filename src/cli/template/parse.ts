import { templateError } from "./template-error.js";
import { piecesOf, type Token } from "./tokens.js";

export type Node =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "print"; readonly pipeline: Pipeline }
  | { readonly type: "if" | "with" | "range"; readonly pipeline: Pipeline; readonly body: readonly Node[]; readonly otherwise: readonly Node[] };

/** What is computed, and the variables that get it: two for `range $key, $value := …`. */
export interface Pipeline {
  readonly variables: readonly string[];
  readonly commands: readonly Command[];
}

/** A function or a value with its arguments. */
export type Command = readonly Operand[];

export type Operand =
  | { readonly type: "value"; readonly value: unknown }
  | { readonly type: "field"; readonly path: readonly string[] }
  | { readonly type: "variable"; readonly name: string; readonly path: readonly string[] }
  | { readonly type: "function"; readonly name: string }
  | { readonly type: "pipeline"; readonly pipeline: Pipeline; readonly path: readonly string[] };

const CONSTANTS: Readonly<Record<string, unknown>> = { true: true, false: false, nil: null };

/** A template of Go's text/template, as far as people write it in `--format`. Throws a CommandFailure that quotes what is wrong. */
export function parseTemplate(template: string): readonly Node[] {
  const pieces = [...piecesOf(template)];
  const { nodes, closedBy } = parseBlock(pieces);
  if (closedBy !== null) throw templateError(`there is nothing that this {{${closedBy[0] ?? ""}}} belongs to`);
  return nodes;
}

type Pieces = ReturnType<typeof piecesOf>[number][];

/** Up to `end` or `else`, whose words are in `closedBy`; null at the end of the template. */
function parseBlock(pieces: Pieces): { readonly nodes: readonly Node[]; readonly closedBy: readonly string[] | null } {
  const nodes: Node[] = [];
  for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) {
    if (piece.type === "text") {
      nodes.push(piece);
      continue;
    }
    const [first] = piece.tokens;
    const word = first?.type === "word" ? first.text : "";
    if (word === "end") return { nodes, closedBy: ["end"] };
    if (word === "else") {
      const rest = piece.tokens.slice(1);
      // `else if` is an `if` in what is otherwise, closed by the same `end`.
      if (rest.length > 0) pieces.unshift({ type: "action", tokens: rest });
      return { nodes, closedBy: rest.length > 0 ? ["else", "chained"] : ["else"] };
    }
    if (word === "if" || word === "with" || word === "range") nodes.push(parseControl(word, piece.tokens.slice(1), pieces));
    else nodes.push({ type: "print", pipeline: new PipelineParser(piece.tokens).parse() });
  }
  return { nodes, closedBy: null };
}

function parseControl(type: "if" | "with" | "range", tokens: readonly Token[], pieces: Pieces): Node {
  const pipeline = new PipelineParser(tokens).parse();
  const body = parseBlock(pieces);
  if (body.closedBy === null) throw templateError(`{{${type}}} has no {{end}}`);
  if (body.closedBy[0] === "end") return { type, pipeline, body: body.nodes, otherwise: [] };
  if (body.closedBy[1] === "chained") {
    const next = pieces.shift();
    const [first] = next?.type === "action" ? next.tokens : [];
    if (next?.type !== "action" || first?.type !== "word" || (first.text !== "if" && first.text !== "with"))
      throw templateError("{{else}} is followed by neither if nor with");
    return { type, pipeline, body: body.nodes, otherwise: [parseControl(first.text, next.tokens.slice(1), pieces)] };
  }
  const otherwise = parseBlock(pieces);
  if (otherwise.closedBy?.[0] !== "end") throw templateError(`{{${type}}} has no {{end}}`);
  return { type, pipeline, body: body.nodes, otherwise: otherwise.nodes };
}

class PipelineParser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): Pipeline {
    const pipeline = this.#pipeline();
    if (this.#at < this.#tokens.length) throw templateError(`unexpected "${textOf(this.#tokens[this.#at])}"`);
    return pipeline;
  }

  #pipeline(): Pipeline {
    return { variables: this.#declaration(), commands: this.#commands() };
  }

  #commands(): readonly Command[] {
    const commands: Command[] = [this.#command()];
    while (this.#isMark("|")) {
      this.#at++;
      commands.push(this.#command());
    }
    return commands;
  }

  #declaration(): readonly string[] {
    const assigned = this.#tokens.findIndex((token) => token.type === "mark" && (token.text === ":=" || token.text === "="));
    if (this.#at > 0 || assigned < 0) return [];
    const names = this.#tokens.slice(0, assigned).filter((token) => !(token.type === "mark" && token.text === ","));
    this.#at = assigned + 1;
    return names.map((token) => {
      if (token.type !== "variable") throw templateError(`"${textOf(token)}" cannot be assigned to`);
      return token.text;
    });
  }

  #command(): Command {
    const operands: Operand[] = [];
    for (let operand = this.#operand(); operand !== null; operand = this.#operand()) operands.push(operand);
    if (operands.length === 0) throw templateError("a value is missing");
    return operands;
  }

  #operand(): Operand | null {
    const token = this.#tokens[this.#at];
    if (token === undefined) return null;
    if (this.#isMark("(")) {
      this.#at++;
      const start = this.#at;
      const pipeline = { variables: [], commands: this.#commands() };
      const close = this.#tokens[this.#at];
      if (close?.type !== "close") throw templateError(`"(${textOf(this.#tokens[start])}" is not closed`);
      this.#at++;
      return { type: "pipeline", pipeline, path: pathOf(close.text) };
    }
    if (token.type === "mark" || token.type === "close") return null;
    this.#at++;
    if (token.type === "string") return { type: "value", value: token.text };
    if (token.type === "number") return { type: "value", value: token.value };
    if (token.type === "field") return { type: "field", path: pathOf(token.text) };
    if (token.type === "variable") return variableOf(token.text);
    return Object.hasOwn(CONSTANTS, token.text) ? { type: "value", value: CONSTANTS[token.text] } : { type: "function", name: token.text };
  }

  #isMark(text: string): boolean {
    const token = this.#tokens[this.#at];
    return token?.type === "mark" && token.text === text;
  }
}

function variableOf(text: string): Operand {
  const [name = "", ...path] = text.split(".");
  return { type: "variable", name, path };
}

function pathOf(text: string): readonly string[] {
  return text === "." || text === "" ? [] : text.slice(1).split(".");
}

function textOf(token: Token | undefined): string {
  return token === undefined ? "" : token.type === "number" ? String(token.value) : token.text;
}
