import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeCertificates } from "../support/certificate-files.js";
import { TestLab } from "../support/lab.js";
import { LabDocker } from "../support/lab-docker.js";
import { until } from "../support/until.js";

const ADDRESS = "10.88.0.1";
/** Knows names and passwords itself, and wants a client's certificate. */
const BASIC = `${ADDRESS}:5000`;
/** Wants tokens of somebody else. */
const TOKENS = `${ADDRESS}:5001`;
const TOKEN_PORT = "5002";
/** bcrypt of `right`, as htpasswd -B writes it. */
const HTPASSWD = "ann:$2b$04$Pv79WmsdmZmToK75rdSVSOWUp/ci06YC2gIm4NmvYXCUzZehyOvwW";

/** Registries that want to know who asks, over HTTPS with an authority of their own: by the stock command line and by ours. */
describe("logging in to registries", () => {
  const folder = mkdtempSync(join(tmpdir(), "lab-login-"));
  const path = (name: string) => join(folder, name);
  let lab: TestLab;
  let docker: LabDocker;
  const exec = (...command: readonly string[]) => lab.run(["deploy/lab", "--name", lab.name, "exec", "1", ...command]);
  const swarm = async (args: readonly string[], input = "") =>
    lab.run(["node", "dist/main/swarm.js", "--host", await lab.lab("socket", "1"), ...args], { input, env: { PATH: `${folder}:${process.env.PATH ?? ""}` } });
  const must = async (...args: readonly string[]) => {
    const outcome = await swarm(args);
    if (outcome.code !== 0) throw new Error(`swarm ${args.join(" ")} exited with ${outcome.code}: ${outcome.stderr}`);
    return outcome.stdout.trim();
  };
  const config = () => JSON.parse(readFileSync(path("client/config.json"), "utf8")) as Record<string, unknown> & { auths?: Record<string, unknown> };
  const configure = (value: object) => writeFileSync(path("client/config.json"), JSON.stringify(value));

  beforeAll(async () => {
    makeCertificates(folder, ADDRESS);
    for (const name of ["client", "certs.d"]) mkdirSync(path(name));
    writeFileSync(path("htpasswd"), HTPASSWD);
    writeFileSync(path("daemon.json"), JSON.stringify({ "registry-certificates": path("certs.d") }));
    process.env.SWARM_LAB_CONFIG = path("daemon.json");
    process.env.DOCKER_CONFIG = path("client");
    lab = await TestLab.open();
    docker = new LabDocker(lab);
    await lab.lab("up", "--managers", "1", "--workers", "0");
    const tls = `  tls:\n    certificate: ${path("server.crt")}\n    key: ${path("server.key")}\n`;
    const registry = async (name: string, address: string, rest: string) => {
      writeFileSync(
        path(`${name}.yml`),
        `version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: ${path(name)}\nhttp:\n  addr: ${address}\n${tls}${rest}`,
      );
      // Ends with the lab, which takes every process along.
      exec(".tools/registry/docker-registry", "serve", path(`${name}.yml`)).catch(() => undefined);
    };
    await registry("basic", BASIC, `    clientcas: [${path("ca.crt")}]\nauth:\n  htpasswd:\n    realm: here\n    path: ${path("htpasswd")}\n`);
    const token = `realm: https://${ADDRESS}:${TOKEN_PORT}/token\n    service: registry\n    issuer: token-server\n    rootcertbundle: ${path("server.crt")}`;
    await registry("tokens", TOKENS, `auth:\n  token:\n    ${token}\n`);
    exec("node_modules/.bin/tsx", "test/support/token-server.ts", folder, ADDRESS, TOKEN_PORT).catch(() => undefined);
    for (const port of ["5000", "5001", TOKEN_PORT]) {
      await until(`port ${port} listens`, async () => (await exec("bash", "-c", `exec 3<>/dev/tcp/${ADDRESS}/${port}`)).code === 0, 30);
    }
    await docker.importBusybox([1]);
  });

  beforeEach(() => configure({ HttpHeaders: { "X-Kept": "yes" } }));

  afterAll(async () => {
    delete process.env.SWARM_LAB_CONFIG;
    delete process.env.DOCKER_CONFIG;
    await lab?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const login = (registry: string, password = "right") => swarm(["login", "--username", "ann", "--password-stdin", registry], `${password}\n`);

  test("an authority that nobody vouches for is refused until its certificate is put there, and a client's without its key is named", async () => {
    expect(await login(TOKENS)).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^swarm: https:\/\/10\.88\.0\.1:5001: .*certificate/) });
    for (const registry of [BASIC, TOKENS]) mkdirSync(path(`certs.d/${registry}`));
    for (const registry of [BASIC, TOKENS]) copyFileSync(path("ca.crt"), path(`certs.d/${registry}/ca.crt`));
    expect((await login(BASIC)).stderr).toMatch(/^swarm: https:\/\/10\.88\.0\.1:5000: .*(certificate|alert)/);
    copyFileSync(path("client.crt"), path(`certs.d/${BASIC}/client.cert`));
    expect((await login(BASIC)).stderr).toContain("client.key is missing, which client.cert belongs to");
    copyFileSync(path("client.key"), path(`certs.d/${BASIC}/client.key`));
    expect(await login(BASIC)).toMatchObject({ code: 0, stdout: "Login Succeeded\n" });
  });

  test("basic: the credentials are kept for their owner alone, used to push and pull, and forgotten by logout", async () => {
    expect(await login(BASIC, "wrong")).toMatchObject({ code: 1, stderr: expect.stringMatching(/^swarm: 10\.88\.0\.1:5000: authentication required/) });
    expect(config()).toEqual({ HttpHeaders: { "X-Kept": "yes" } });
    expect((await login(BASIC)).stderr).toContain("kept unencrypted");
    expect(config()).toEqual({ HttpHeaders: { "X-Kept": "yes" }, auths: { [BASIC]: { auth: Buffer.from("ann:right").toString("base64") } } });
    expect(statSync(path("client/config.json")).mode & 0o777).toBe(0o600);
    expect(await must("login", BASIC)).toBe("Login Succeeded");
    for (const tag of ["v1", "v2"]) await must("image", "tag", "bb:v1", `${BASIC}/team/bb:${tag}`);
    expect(await must("push", "--all-tags", `${BASIC}/team/bb`)).toMatch(/v1: digest: sha256:[\s\S]*v2: digest: sha256:/);
    await must("image", "rm", `${BASIC}/team/bb:v1`, `${BASIC}/team/bb:v2`);
    expect(await must("pull", "-a", `${BASIC}/team/bb`)).toMatch(/Status: .* for (10\.88\.0\.1:5000\/team\/bb)\n\1$/);
    expect(await must("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")).toMatch(/team\/bb:v1\n.*team\/bb:v2/);
    expect(await must("logout", BASIC)).toBe(`Removed the login credentials of ${BASIC}.`);
    expect(config().auths).toEqual({});
    expect(await swarm(["pull", `${BASIC}/team/bb:v1`])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("pull access denied for 10.88.0.1:5000/team/bb"),
    });
  });

  test("the stock command line logs in, and what it keeps is ours too", async () => {
    const outcome = await docker.try(1, "login", "--username", "ann", "--password", "right", BASIC);
    expect(outcome).toMatchObject({ code: 0, stdout: expect.stringContaining("Login Succeeded") });
    expect(await must("pull", `${BASIC}/team/bb:v1`)).toContain("Status: ");
    const wrong = await docker.try(1, "login", "--username", "ann", "--password", "wrong", BASIC);
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining("authentication required") });
    expect(await docker.must(1, "pull", "--all-tags", `${BASIC}/team/bb`)).toContain("v2: Pulling from");
  });

  test("tokens: the one that stands for name and password is what is kept, by a helper where there is one", async () => {
    // Keeps what it is told in a file beside it.
    writeFileSync(
      path("docker-credential-file"),
      `#!/bin/sh\ncase $1 in\n  store) cat >${folder}/kept ;;\n  get) read -r server; [ -e ${folder}/kept ] && cat ${folder}/kept || { echo "credentials not found in native keychain"; exit 1; } ;;\n  erase) rm ${folder}/kept ;;\nesac\n`,
    );
    chmodSync(path("docker-credential-file"), 0o755);
    configure({ credHelpers: { [TOKENS]: "file" } });
    expect((await login(TOKENS, "wrong")).stderr).toContain("answered 401 when asked for a token: wrong name or password?");
    expect(await login(TOKENS)).toEqual({ code: 0, stdout: "Login Succeeded\n", stderr: "" });
    expect(JSON.parse(readFileSync(path("kept"), "utf8"))).toEqual({ ServerURL: TOKENS, Username: "<token>", Secret: "refresh-token-of-ann" });
    expect(config()).toEqual({ credHelpers: { [TOKENS]: "file" } });
    await must("image", "tag", "bb:v1", `${TOKENS}/team/bb:v1`);
    expect(await must("push", `${TOKENS}/team/bb:v1`)).toMatch(/v1: digest: sha256:/);
    const asked = JSON.parse((await exec("curl", "-sk", `https://${ADDRESS}:${TOKEN_PORT}/asked`)).stdout) as string[];
    expect(asked.some((query) => query.startsWith("GET service=registry&offline_token=true&client_id=swarmd&account=ann"))).toBe(true);
    expect(asked.some((query) => query.includes("scope=repository%3Ateam%2Fbb%3Apull%2Cpush") && query.includes("grant_type=refresh_token"))).toBe(true);
    expect(await must("logout", TOKENS)).toContain("Removed");
    expect((await swarm(["logout", TOKENS])).stderr).toBe(`There are no login credentials of ${TOKENS}.\n`);
    configure({ credsStore: "absent" });
    expect((await login(TOKENS)).stderr).toMatch(/^swarm: cannot run docker-credential-absent: /m);
  });

  test("a service runs the image that its registry has now, by its digest, with the credentials of who made it", async () => {
    await login(BASIC);
    const create = (...flags: readonly string[]) =>
      must("service", "create", "--quiet", "--detach", "--with-registry-auth", ...flags, `${BASIC}/team/bb:v1`, "sleep", "100000");
    const imageOf = (name: string) => must("service", "inspect", "--format", "{{.Spec.TaskTemplate.ContainerSpec.Image}}", name);
    await create("--name", "pinned");
    expect(await imageOf("pinned")).toMatch(/^10\.88\.0\.1:5000\/team\/bb:v1@sha256:[0-9a-f]{64}$/);
    await docker.running(1, "pinned", 1);
    await create("--name", "free", "--no-resolve-image");
    expect(await imageOf("free")).toBe(`${BASIC}/team/bb:v1`);
    await must("service", "update", "--detach", "--quiet", "--image", `${BASIC}/team/bb:v2`, "free");
    expect(await imageOf("free")).toMatch(/team\/bb:v2@sha256:[0-9a-f]{64}$/);
    const unknown = await swarm(["service", "update", "--detach", "--image", `${BASIC}/team/none:v1`, "free"]);
    expect(unknown).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^no registry says which .*none:v1 is the newest, so each node looks for itself: /),
    });
    await must("service", "rm", "pinned", "free");
  });
});
