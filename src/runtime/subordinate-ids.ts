import { ClusterError } from "../base/errors.js";

/** Identifiers of the host that were given to a user: one line of /etc/subuid or /etc/subgid (subuid(5)). */
export interface IdRange {
  readonly first: number;
  readonly count: number;
}

/** Text of the files that say who is there, and which identifiers he has beside his own. */
export interface UserDatabases {
  readonly passwd: string;
  readonly group: string;
  readonly subuid: string;
  readonly subgid: string;
}

/** Whose identifiers containers get, and which these are. */
export interface RemapPlan {
  /** As Docker shows it: the user's name. */
  readonly user: string;
  readonly users: readonly IdRange[];
  readonly groups: readonly IdRange[];
}

/** Docker's name for its own choice, and who that is. */
const DEFAULT_WORD = "default";
const DEFAULT_USER = "dockremap";

/** As many as useradd(8) gives. */
const USUAL_COUNT = 65_536;
const FIRST_USUAL = 100_000;
const ID_MAX = 2 ** 32 - 2;
/** What the kernel takes for one map (user_namespaces(7)). */
const RANGES_MAX = 340;

/**
 * What `userns-remap` comes to: `default`, `USER`, `USER:GROUP`, each by name or number. Throws ClusterError `invalid_argument` that names the file, and the line
 * that is missing in it.
 */
export function planRemap(setting: string, databases: UserDatabases): RemapPlan {
  const [userWord = "", groupWord, ...rest] = setting.split(":");
  if (userWord === "" || groupWord === "" || rest.length > 0) throw refusal(setting, "is neither default, nor USER, nor USER:GROUP");
  const user = findUser(setting, userWord, databases);
  const group = groupWord === undefined ? null : findGroup(setting, groupWord === DEFAULT_WORD ? DEFAULT_USER : groupWord, databases);
  const userNames = [user.name, String(user.id)];
  const groupNames = group === null ? [] : [group.name, String(group.id)];
  return {
    user: user.name,
    users: rangesOf("/etc/subuid", databases.subuid, [userNames], setting, user.name),
    // By the group where it has lines, as Docker once did; by the user, as the shadow suite writes them.
    groups: rangesOf("/etc/subgid", databases.subgid, [groupNames, userNames], setting, group?.name ?? user.name),
  };
}

/** What the kernel takes as a map: the ranges one after the other, from root on. */
export function mapText(ranges: readonly IdRange[]): string {
  let inside = 0;
  return ranges
    .map(({ first, count }) => {
      const line = `${inside} ${first} ${count}\n`;
      inside += count;
      return line;
    })
    .join("");
}

interface Entry {
  readonly name: string;
  readonly id: number;
}

function findUser(setting: string, word: string, { passwd, subuid, subgid }: UserDatabases): Entry {
  const name = word === DEFAULT_WORD ? DEFAULT_USER : word;
  const found = findEntry(passwd, name);
  if (found?.id === 0) throw refusal(setting, "is root, who cannot be remapped to himself");
  if (found !== null) return found;
  if (word !== DEFAULT_WORD) throw refusal(setting, `has no user in /etc/passwd: ${word}`);
  const line = `${DEFAULT_USER}:${freeRange(subuid + subgid)}:${USUAL_COUNT}`;
  throw refusal(
    setting,
    `needs the user ${DEFAULT_USER}, whom /etc/passwd does not have: make it with "useradd --system --user-group --no-create-home ${DEFAULT_USER}", and add the line "${line}" to /etc/subuid and to /etc/subgid`,
  );
}

function findGroup(setting: string, word: string, { group }: UserDatabases): Entry {
  const found = findEntry(group, word);
  if (found === null) throw refusal(setting, `has no group in /etc/group: ${word}`);
  return found;
}

/** By name, or by the number in the third field, in a text as that of /etc/passwd. */
function findEntry(text: string, word: string): Entry | null {
  for (const line of text.split("\n")) {
    const [name = "", , id = ""] = line.split(":");
    if (name !== "" && /^\d+$/.test(id) && (name === word || id === word)) return { name, id: Number(id) };
  }
  return null;
}

/** Of the first of the choices that has any. */
function rangesOf(file: string, text: string, choices: readonly (readonly string[])[], setting: string, name: string): readonly IdRange[] {
  const lines = text.split("\n").map((line, index) => ({ fields: line.trim().split(":"), number: index + 1, line }));
  for (const names of choices) {
    const own = lines.filter(({ fields }) => names.includes(fields[0] ?? ""));
    if (own.length === 0) continue;
    if (own.length > RANGES_MAX) throw refusal(setting, `has ${own.length} lines in ${file}, and the kernel takes ${RANGES_MAX}`);
    return own.map(({ fields, number, line }) => parseRange(fields, `line ${number} of ${file}, "${line}",`)).sort((a, b) => a.first - b.first);
  }
  throw refusal(setting, `has no line for ${name} in ${file}: add "${name}:${freeRange(text)}:${USUAL_COUNT}" to it`);
}

function parseRange(fields: readonly string[], where: string): IdRange {
  const [, first = "", count = "", ...rest] = fields;
  const range = { first: Number(first), count: Number(count) };
  if (!/^\d+$/.test(first) || !/^\d+$/.test(count) || rest.length > 0 || range.count === 0) {
    throw new ClusterError("invalid_argument", `${where} is not NAME:FIRST:COUNT`);
  }
  if (range.first === 0) throw new ClusterError("invalid_argument", `${where} would give the host's own root away`);
  if (range.first + range.count - 1 > ID_MAX) throw new ClusterError("invalid_argument", `${where} goes beyond the highest identifier, ${ID_MAX}`);
  return range;
}

/** Where nobody of the file has identifiers yet. */
function freeRange(text: string): number {
  const ends = text.split("\n").map((line) => {
    const [, first = "", count = ""] = line.split(":");
    return /^\d+$/.test(first) && /^\d+$/.test(count) ? Number(first) + Number(count) : 0;
  });
  return Math.max(FIRST_USUAL, ...ends);
}

function refusal(setting: string, reason: string): ClusterError {
  return new ClusterError("invalid_argument", `userns-remap "${setting}" ${reason}`);
}
