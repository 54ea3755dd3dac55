import { dockerClients, type TestLab } from "./lab.js";
import { busyboxTar } from "./root-filesystem.js";
import { until } from "./until.js";

export interface TaskRow {
  readonly name: string;
  readonly image: string;
  readonly node: string;
  readonly desired: string;
  readonly state: string;
  readonly error: string;
  readonly id: string;
}

/** The docker command line against a lab's nodes, in the words that tests of operations need. */
export class LabDocker {
  readonly #lab: TestLab;
  readonly #client: string;

  constructor(lab: TestLab, client = dockerClients()[0] ?? "docker") {
    this.#lab = lab;
    this.#client = client;
  }

  /** Fails the test with the command's words unless it exits with 0. */
  async must(node: number, ...args: readonly string[]): Promise<string> {
    const outcome = await this.try(node, ...args);
    if (outcome.code !== 0) throw new Error(`docker ${args.join(" ")} on node ${node} exited with ${outcome.code}: ${outcome.stderr}${outcome.stdout}`);
    return outcome.stdout.trim();
  }

  try(node: number, ...args: readonly string[]) {
    return this.#lab.docker(this.#client, node, ...args);
  }

  /** Makes bb:v1 and bb:v2 of busybox on these nodes; they sleep unless told otherwise. */
  async importBusybox(nodes: readonly number[]): Promise<void> {
    const tar = busyboxTar();
    for (const node of nodes) {
      const host = await this.#lab.lab("socket", String(node));
      const outcome = await this.#lab.run([this.#client, "-H", host, "import", "--change", 'CMD ["sleep","100000"]', "-", "bb:v1"], { input: tar });
      if (outcome.code !== 0) throw new Error(`the import on node ${node} exited with ${outcome.code}: ${outcome.stderr}`);
      await this.must(node, "tag", "bb:v1", "bb:v2");
    }
  }

  /** Creates a service and waits until the command line says that it has converged. */
  create(name: string, flags: readonly string[], ...command: readonly string[]): Promise<string> {
    const quick = ["--stop-grace-period", "1s", "--update-monitor", "500ms", "--rollback-monitor", "500ms", "--restart-delay", "10ms"];
    return this.must(1, "service", "create", "--quiet", "--name", name, ...quick, ...flags, "bb:v1", ...command);
  }

  /** All tasks of a service, the history included. */
  async tasks(node: number, service: string): Promise<readonly TaskRow[]> {
    const format = "{{.Name}}|{{.Image}}|{{.Node}}|{{.DesiredState}}|{{.CurrentState}}|{{.Error}}|{{.ID}}";
    const text = await this.must(node, "service", "ps", service, "--no-trunc", "--format", format);
    return text.split("\n").map((line) => {
      const [name = "", image = "", host = "", desired = "", state = "", error = "", id = ""] = line.split("|");
      return { name, image, node: host, desired, state: state.split(" ")[0] ?? "", error, id };
    });
  }

  /** Waits until exactly these many tasks of the service are to run and do. */
  running(node: number, service: string, count: number): Promise<readonly TaskRow[]> {
    return until(
      `${service} has ${count} running tasks`,
      async () => {
        const live = (await this.tasks(node, service)).filter((task) => task.desired === "Running");
        return live.length === count && live.every((task) => task.state === "Running") ? live : undefined;
      },
      30,
    );
  }

  updateState(node: number, service: string): Promise<string> {
    return this.must(node, "service", "inspect", service, "--format", "{{with .UpdateStatus}}{{.State}}{{end}}");
  }

  async node(asked: number, name: string): Promise<string> {
    const lines = (await this.must(asked, "node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}")).split("\n");
    return (lines.find((line) => line.startsWith(`${name} `)) ?? "").slice(name.length).trim();
  }

  /** Waits until one of these managers is seen to lead, by the first of them. */
  leader(managers: readonly number[]): Promise<number> {
    return until("there is a leader", async () => {
      for (const node of managers) if ((await this.node(managers[0] ?? 1, `node-${node}`)).endsWith("Leader")) return node;
      return undefined;
    });
  }

  /** Waits until `node ls` says this of a node: status, availability and role, as in "Ready Active Reachable". */
  nodeIs(asked: number, name: string, expected: string): Promise<string> {
    return until(`${name} is ${expected}`, async () => ((await this.node(asked, name)) === expected ? expected : undefined), 30);
  }
}
