import { hostname } from "node:os";
import { ClusterError, messageOf } from "../../base/errors.js";

/** What tags and attributes can speak of. */
export interface LogAttributeSource {
  readonly id: string;
  readonly name: string;
  readonly imageId: string;
  readonly imageName: string;
  readonly args: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** The image's too. */
  readonly env: readonly string[];
}

const SHORT_ID_LENGTH = 12;

/** Labels and variables that the options name (labels, labels-regex, env, env-regex), and the tag where one is given. */
export function attributesOf(options: Readonly<Record<string, string>>, source: LogAttributeSource): Readonly<Record<string, string>> {
  const env = Object.fromEntries(source.env.map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]));
  return {
    ...chosen(source.labels, options, "labels"),
    ...chosen(env, options, "env"),
    ...(options.tag === undefined || options.tag === "" ? {} : { tag: expandTag(options.tag, source) }),
  };
}

function chosen(values: Readonly<Record<string, string>>, options: Readonly<Record<string, string>>, name: "labels" | "env"): Readonly<Record<string, string>> {
  const names = (options[name] ?? "").split(",");
  const pattern = patternOf(options, `${name}-regex`);
  return Object.fromEntries(Object.entries(values).filter(([key]) => names.includes(key) || pattern?.test(key)));
}

function patternOf(options: Readonly<Record<string, string>>, name: string): RegExp | null {
  const text = options[name] ?? "";
  if (text === "") return null;
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new ClusterError("invalid_argument", `log opt ${name} "${text}" is not a regular expression: ${messageOf(cause)}`, { cause });
  }
}

/** Docker's markup (moby: daemon/logger/loginfo.go): text with placeholders such as {{.Name}}. Throws `invalid_argument` for one that there is not. */
export function expandTag(template: string, source: LogAttributeSource): string {
  const short = (id: string) => id.replace(/^sha256:/, "").slice(0, SHORT_ID_LENGTH);
  const values: Readonly<Record<string, () => string>> = {
    ID: () => short(source.id),
    FullID: () => source.id,
    Name: () => source.name,
    ImageID: () => short(source.imageId),
    ImageFullID: () => source.imageId,
    ImageName: () => source.imageName,
    Command: () => source.args.join(" "),
    Hostname: hostname,
    DaemonName: () => "docker",
  };
  return template.replace(/\{\{\s*(.*?)\s*\}\}/g, (whole, word: string) => {
    const value = word.startsWith(".") ? values[word.slice(1)] : undefined;
    if (value === undefined)
      throw new ClusterError(
        "invalid_argument",
        `log opt tag: ${whole} is none of ${Object.keys(values)
          .map((name) => `{{.${name}}}`)
          .join(", ")}`,
      );
    return value();
  });
}
