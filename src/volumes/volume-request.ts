import { ClusterError } from "../base/errors.js";
import { withoutPasswords } from "./mount-options.js";
import { LOCAL_DRIVER, type Volume, type VolumeRequest } from "./volume-store.js";

/** What the local driver takes, and what else each of them needs (moby: volume/local). */
const OPTIONS: Readonly<Record<string, readonly string[]>> = { type: ["device"], device: ["type"], o: ["type", "device"] };
const NAME_BYTES_MAX = 255;

/** Throws ClusterError `invalid_argument` or `unimplemented` with one sentence. */
export function validateVolumeRequest({ name, driver, options, labels }: VolumeRequest): void {
  if (driver !== "" && driver !== LOCAL_DRIVER) throw new ClusterError("unimplemented", `the volume driver "${driver}" is not supported yet: local is`);
  if (name !== "") validateName(name);
  for (const [option, value] of Object.entries(options)) {
    if (!Object.hasOwn(OPTIONS, option)) throw invalid(`invalid option: "${option}"`);
    if (value.includes("\0")) throw invalid(`the option "${option}" contains a NUL character`);
    const missing = OPTIONS[option]?.find((needed) => (options[needed] ?? "") === "");
    if (missing !== undefined) throw invalid(`missing required option: "${missing}"`);
  }
  if (Object.keys(labels).some((label) => label === "")) throw invalid("a label of a volume must have a name");
}

/** Throws ClusterError `conflict` that says what differs. Whoever names no options takes it as it is. */
export function requireSameOptions(volume: Volume, options: VolumeRequest["options"]): void {
  if (Object.keys(options).length === 0) return;
  const names = Object.keys(OPTIONS).filter((name) => (volume.options[name] ?? "") !== (options[name] ?? ""));
  if (names.length === 0) return;
  const [present, asked] = [withoutPasswords(volume.options), withoutPasswords(options)];
  const differences = names.map((name) => `${name} is "${present[name] ?? ""}", not "${asked[name] ?? ""}"`).join(", ");
  throw new ClusterError("conflict", `a volume named ${volume.name} already exists with other options: ${differences}`);
}

function validateName(name: string): void {
  if (name.length < 2) throw invalid("volume name is too short, names should be at least two alphanumeric characters");
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) throw invalid(`volume name is too long: ${Buffer.byteLength(name)} bytes, ${NAME_BYTES_MAX} is the most`);
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) return;
  const allowed = `only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`;
  throw invalid(`create ${name}: "${name}" includes invalid characters for a local volume name, ${allowed}`);
}

function invalid(text: string): ClusterError {
  return new ClusterError("invalid_argument", text);
}
