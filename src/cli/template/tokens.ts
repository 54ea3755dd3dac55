import { templateError } from "./template-error.js";

/** A piece of a template: text that stays, or the words of an action. */
export type Piece = { readonly type: "text"; readonly text: string } | { readonly type: "action"; readonly tokens: readonly Token[] };

export type Token =
  /** `$name.Field` is one token, and so is a closing bracket with the fields right behind it, which are its text. */
  | { readonly type: "field" | "variable" | "word" | "mark" | "close"; readonly text: string }
  | { readonly type: "string"; readonly text: string }
  | { readonly type: "number"; readonly value: number };

const TOKEN =
  /\s*(?:("(?:[^"\\]|\\.)*")|(`[^`]*`)|([+-]?\d+(?:\.\d+)?)|((?:\.[A-Za-z_]\w*)+|\.)|(\$\w*(?:\.[A-Za-z_]\w*)*)|([A-Za-z_]\w*)|(:=|[=|(,])|\)((?:\.[A-Za-z_]\w*)*))/y;

/** Takes a template apart; `{{-` and `-}}` take the white space beside them away (text/template of Go). Throws a CommandFailure. */
export function piecesOf(template: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let isTrimmed = false;
  const addText = (text: string) => {
    const kept = isTrimmed ? text.trimStart() : text;
    if (kept !== "") pieces.push({ type: "text", text: kept });
  };
  for (;;) {
    const start = template.indexOf("{{", at);
    if (start < 0) break;
    const end = endOfAction(template, start + 2);
    const inner = template.slice(start + 2, end);
    const text = template.slice(at, start);
    addText(/^-\s/.test(inner) ? text.trimEnd() : text);
    isTrimmed = /\s-$/.test(inner);
    const action = inner.replace(/^-\s/, "").replace(/\s-$/, "").trim();
    if (!/^\/\*[\s\S]*\*\/$/.test(action)) pieces.push({ type: "action", tokens: tokensOf(action) });
    at = end + 2;
  }
  addText(template.slice(at));
  return pieces;
}

/** Where the action closes: quoted text may hold braces. */
function endOfAction(template: string, from: number): number {
  const skip = /"(?:[^"\\]|\\.)*"|`[^`]*`|\}\}|[\s\S]/y;
  skip.lastIndex = from;
  for (let match = skip.exec(template); match !== null; match = skip.exec(template)) if (match[0] === "}}") return match.index;
  throw templateError(`"${template.slice(from - 2)}" is not closed by }}`);
}

function tokensOf(action: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (action.slice(at).trim() !== "") {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(action);
    if (match === null) throw templateError(`"${action.slice(at).trim()}" in {{${action}}} is not understood`);
    at = TOKEN.lastIndex;
    tokens.push(tokenOf(match));
  }
  return tokens;
}

function tokenOf([, quoted, raw, number, field, variable, word, mark, closed = ""]: RegExpExecArray): Token {
  if (quoted !== undefined) return { type: "string", text: unquoted(quoted) };
  if (raw !== undefined) return { type: "string", text: raw.slice(1, -1) };
  if (number !== undefined) return { type: "number", value: Number(number) };
  if (field !== undefined) return { type: "field", text: field };
  if (variable !== undefined) return { type: "variable", text: variable };
  if (word !== undefined) return { type: "word", text: word };
  return mark === undefined ? { type: "close", text: closed } : { type: "mark", text: mark };
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };

function unquoted(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? letter);
}
