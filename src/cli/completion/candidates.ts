import type { ObjectNames } from "./objects.js";
import type { Position } from "./position.js";

/** What can stand at the cursor. */
export interface Candidates {
  readonly words: readonly string[];
  /** Files of this host, too, which the shell knows best. */
  readonly hasFiles?: boolean;
}

type Source = (names: ObjectNames, position: Position) => Promise<readonly string[]>;

const followed = (mark: string, words: readonly string[]) => words.map((word) => `${word}${mark}`);

const containers: Source = (names) => names.containers();
const running: Source = (names) => names.containers("running");
const stopped: Source = (names) => names.containers("stopped");
const images: Source = (names) => names.images();
const services: Source = (names) => names.services();
const nodes: Source = async (names) => ["self", ...(await names.nodes())];
const anyObject: Source = async (names, { given }) => {
  const kinds: Readonly<Record<string, Source>> = {
    container: containers,
    image: images,
    volume: (all) => all.volumes(),
    network: (all) => all.networks(),
    service: services,
    task: (all) => all.tasks(),
    node: nodes,
  };
  const only = kinds[given.get("--type") ?? ""];
  if (only !== undefined) return await only(names, NOWHERE);
  // Those of the swarm are known to managers alone.
  const found = await Promise.allSettled(Object.values(kinds).map((kind) => kind(names, NOWHERE)));
  return found.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
};
const NOWHERE = { given: new Map() } as Pick<Position, "given"> as Position;

/** Operands of commands that take any number of one kind; those of `container` are known without that word, too. */
const ALL_OPERANDS: Readonly<Record<string, Source>> = {
  "container inspect": containers,
  "container kill": running,
  "container pause": running,
  "container restart": containers,
  "container rm": (names, { given }) => names.containers(given.has("--force") || given.has("-f") ? "any" : "stopped"),
  "container start": stopped,
  "container stats": running,
  "container stop": running,
  "container unpause": (names) => names.containers("paused"),
  "container update": containers,
  "container wait": containers,
  "image inspect": images,
  "image rm": images,
  "image save": images,
  rmi: images,
  inspect: anyObject,
  "volume inspect": (names) => names.volumes(),
  "volume rm": (names) => names.volumes(),
  "service inspect": services,
  "service ps": services,
  "service rm": services,
  "service scale": async (names) => followed("=", await names.services()),
  "node inspect": nodes,
  "node ps": nodes,
  "node promote": (names) => names.nodes("worker"),
  "node demote": (names) => names.nodes("manager"),
  "node rm": (names) => names.nodes(),
};

/** Of commands whose first operand alone names one. */
const FIRST_OPERAND: Readonly<Record<string, Source>> = {
  "container attach": running,
  "container commit": containers,
  "container create": images,
  "container diff": containers,
  "container exec": running,
  "container export": containers,
  "container logs": containers,
  "container port": containers,
  "container rename": containers,
  "container run": images,
  "container top": running,
  "image history": images,
  "image ls": images,
  "image push": images,
  "image tag": images,
  images: images,
  "service create": images,
  "service logs": async (names) => [...(await names.services()), ...(await names.tasks())],
  "service rollback": services,
  "service update": services,
  "node update": (names) => names.nodes(),
  "join-token": async () => ["worker", "manager"],
  completion: async () => ["bash", "zsh", "fish"],
};

/** Of these, the operands may be files. */
const FILE_OPERANDS = /^(container cp|image import|backup|restore)$/;

export async function operandCandidates(names: ObjectNames, position: Position): Promise<Candidates> {
  if (position.isForeign) return { words: [], hasFiles: true };
  const path = fullPath(position.path);
  if (path === "container cp") return { words: position.typed.includes(":") ? [] : followed(":", await names.containers()), hasFiles: true };
  const source = ALL_OPERANDS[path] ?? (position.operands.length === 0 ? FIRST_OPERAND[path] : undefined);
  const words = source === undefined ? [] : await source(names, position);
  return { words: words.filter((word) => !position.operands.includes(word)), hasFiles: FILE_OPERANDS.test(path) };
}

/** `rm` is `container rm`, `push` is `image push`, `swarm join-token` is `join-token`. */
function fullPath(path: string): string {
  if (path.startsWith("swarm ")) return path.slice("swarm ".length);
  if (path.includes(" ") || path === "inspect") return path;
  const known = [`container ${path}`, `image ${path}`].find((full) => full in ALL_OPERANDS || full in FIRST_OPERAND || FILE_OPERANDS.test(full));
  return path === "ps" ? "container ls" : (known ?? path);
}
