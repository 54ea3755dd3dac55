import { ClusterError } from "../base/errors.js";

/** What a template of a task may name (swarm-surface 3.14). */
export interface TemplateContext {
  readonly service: { readonly id: string; readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly node: { readonly id: string; readonly hostname: string; readonly platform: { readonly architecture: string; readonly os: string } };
  readonly task: {
    readonly id: string;
    readonly name: string;
    /** Its slot; the node's id for a global service. */
    readonly slot: string;
  };
}

const ACTION = /\{\{(-\s)?\s*((?:"[^"]*"|`[^`]*`|[^"`}])*?)\s*(\s-)?\}\}/g;
const WORD = /"[^"]*"|`[^`]*`|[^\s"`]+/g;

/**
 * Expands the fields of a Go template: `{{.Service.Name}}`, labels by `.Service.Labels.key` or `index .Service.Labels "a.b"`, and the
 * function `join`. Nothing else of the template language. Throws ClusterError `invalid_argument` with the part that it does not know.
 */
export function expandTemplate(text: string, context: TemplateContext): string {
  if (!text.includes("{{")) return text;
  let expanded = "";
  let end = 0;
  let isTrimming = false;
  const append = (literal: string) => {
    expanded += isTrimming ? literal.trimStart() : literal;
  };
  for (const match of text.matchAll(ACTION)) {
    const literal = text.slice(end, match.index);
    append(match[1] === undefined ? literal : literal.trimEnd());
    expanded += evaluate(match[2] ?? "", context);
    isTrimming = match[3] !== undefined;
    end = match.index + match[0].length;
  }
  const rest = text.slice(end);
  if (rest.includes("{{")) throw new ClusterError("invalid_argument", `template "${text}" has an action that does not end`);
  append(rest);
  return expanded;
}

function evaluate(action: string, context: TemplateContext): string {
  const words = action.match(WORD) ?? [];
  const [first = "", ...operands] = words;
  if (first === "join") {
    const [separator = '""', ...parts] = operands;
    return parts.map((part) => operandOf(part, context)).join(operandOf(separator, context));
  }
  if (first === "index" && operands[0] === ".Service.Labels" && operands.length === 2) return labelOf(operandOf(operands[1] ?? "", context), context);
  if (words.length !== 1) throw unknown(action);
  return operandOf(first, context);
}

function operandOf(word: string, context: TemplateContext): string {
  if (/^["`]/.test(word)) return word.slice(1, -1);
  const label = /^\.Service\.Labels\.(\w+)$/.exec(word)?.[1];
  if (label !== undefined) return labelOf(label, context);
  const value = fieldsOf(context).get(word);
  if (value === undefined) throw unknown(word);
  return value;
}

function labelOf(key: string, context: TemplateContext): string {
  const value = Object.hasOwn(context.service.labels, key) ? context.service.labels[key] : undefined;
  if (value === undefined) throw new ClusterError("invalid_argument", `template names the service label "${key}", which is not there`);
  return value;
}

function fieldsOf({ service, node, task }: TemplateContext): ReadonlyMap<string, string> {
  return new Map([
    [".Service.ID", service.id],
    [".Service.Name", service.name],
    [".Node.ID", node.id],
    [".Node.Hostname", node.hostname],
    [".Node.Platform.Architecture", node.platform.architecture],
    [".Node.Platform.OS", node.platform.os],
    [".Task.ID", task.id],
    [".Task.Name", task.name],
    [".Task.Slot", task.slot],
  ]);
}

function unknown(part: string): ClusterError {
  return new ClusterError("invalid_argument", `template has "${part}", which is neither a known field nor join or index`);
}
