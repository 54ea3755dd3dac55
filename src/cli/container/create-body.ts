import { misuse } from "../failure.js";
import { parseCount, parseDuration, parsePair } from "../quantities.js";
import type { CreateFlags } from "./create-flags.js";
import { readPairFiles, withOwnValue } from "./env-file.js";
import { hostConfigOf, withoutUndefined } from "./host-config.js";
import { networksOf } from "./networks.js";
import { parseExposed, parsePublished } from "./ports.js";

type Fields = Readonly<Record<string, unknown>>;

/** Whose output and input the command has: those of nobody when it does not wait for the container. */
export interface Attachment {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** The body of POST /containers/create that the flags come to. Throws a CommandFailure that names the flag. */
export function createBodyOf(image: string, words: readonly string[], flags: CreateFlags, attachment: Attachment): Fields {
  const published = parsePublished(flags.publish ?? []);
  const { mode, endpoints } = networksOf(flags);
  const exposed = [...Object.keys(published), ...parseExposed(flags.expose ?? [])];
  const anonymous = (flags.volume ?? []).filter((text) => !text.includes(":"));
  const env = [...readPairFiles(flags.envFile ?? [], "env-file"), ...(flags.env ?? []).map(withOwnValue)];
  const labels = [...readPairFiles(flags.labelFile ?? [], "label-file"), ...(flags.label ?? [])].map((text) => parsePair(text, "label"));
  return withoutUndefined({
    Image: image,
    Cmd: words.length === 0 ? undefined : words,
    // An empty one takes the image's away.
    Entrypoint: flags.entrypoint === undefined ? undefined : [flags.entrypoint],
    Hostname: flags.hostname,
    Domainname: flags.domainname,
    User: flags.user,
    WorkingDir: flags.workdir,
    Tty: flags.tty === true,
    OpenStdin: flags.interactive === true,
    // The end of this command's input is that of the program's.
    StdinOnce: flags.interactive === true && attachment.stdin,
    AttachStdin: attachment.stdin,
    AttachStdout: attachment.stdout,
    AttachStderr: attachment.stderr,
    Env: env,
    Labels: labels.length === 0 ? undefined : Object.fromEntries(labels),
    ExposedPorts: exposed.length === 0 ? undefined : Object.fromEntries(exposed.map((port) => [port, {}])),
    Volumes: anonymous.length === 0 ? undefined : Object.fromEntries(anonymous.map((target) => [target, {}])),
    Healthcheck: healthOf(flags),
    StopSignal: flags.stopSignal,
    StopTimeout: flags.stopTimeout === undefined ? undefined : parseCount(flags.stopTimeout, "stop-timeout"),
    HostConfig: { ...hostConfigOf(flags, published), ...(mode === undefined ? {} : { NetworkMode: mode }) },
    NetworkingConfig: Object.keys(endpoints).length === 0 ? undefined : { EndpointsConfig: endpoints },
  });
}

function healthOf(flags: CreateFlags): Fields | undefined {
  const timings = withoutUndefined({
    Interval: durationOf(flags.healthInterval, "health-interval"),
    Timeout: durationOf(flags.healthTimeout, "health-timeout"),
    StartPeriod: durationOf(flags.healthStartPeriod, "health-start-period"),
    StartInterval: durationOf(flags.healthStartInterval, "health-start-interval"),
    Retries: flags.healthRetries === undefined ? undefined : parseCount(flags.healthRetries, "health-retries"),
  });
  const isAsked = flags.healthCmd !== undefined || Object.keys(timings).length > 0;
  if (!flags.healthcheck) {
    if (isAsked) throw misuse("--no-healthcheck does not go with the other flags of health checks");
    return { Test: ["NONE"] };
  }
  if (!isAsked) return undefined;
  return { ...(flags.healthCmd === undefined ? {} : { Test: ["CMD-SHELL", flags.healthCmd] }), ...timings };
}

function durationOf(text: string | undefined, flag: string): bigint | undefined {
  return text === undefined ? undefined : parseDuration(text, flag);
}
