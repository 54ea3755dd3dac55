import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { showProgress } from "../../../src/cli/transfer-progress.js";

let [out, err] = ["", ""];
const { isTTY, columns, rows } = process.stderr;

beforeEach(() => {
  [out, err] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += text;
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  Object.assign(process.stderr, { isTTY, columns, rows });
});

async function* streamOf(...lines: readonly object[]): AsyncGenerator<Uint8Array> {
  for (const line of lines) yield Buffer.from(`${JSON.stringify(line)}\r\n`);
}

const PULL = [
  { id: "v1", status: "Pulling from team/bb" },
  { id: "aaa", status: "Downloading", progress: "[=>   ]" },
  { id: "bbb", status: "Downloading", progress: "[==>  ]" },
  { id: "aaa", status: "Downloading", progress: "[====>]" },
  { id: "aaa", status: "Pull complete" },
  { status: "Digest: sha256:d" },
  { id: "v2", status: "Pulling from team/bb" },
];

test("in a pipe each change of status is a line, and what counts is on standard output", async () => {
  Object.assign(process.stderr, { isTTY: false });
  await showProgress(streamOf(...PULL), { isQuiet: false });
  expect(err).toBe("v1: Pulling from team/bb\naaa: Downloading\nbbb: Downloading\naaa: Pull complete\nv2: Pulling from team/bb\n");
  expect(out).toBe("Digest: sha256:d\n");
});

test("on a terminal each layer has a row, which is redrawn where it stands until something stands below", async () => {
  Object.assign(process.stderr, { isTTY: true, columns: 20 });
  await showProgress(streamOf(...PULL, { id: "v1", status: "Again" }), { isQuiet: false });
  vi.stubEnv("TERM", "xterm");
  const rows = ["v1: Pulling from t…\n", "aaa: Downloading […\n", "bbb: Downloading […\n"];
  expect(err).toBe(`${rows.join("")}\x1b[2A\r\x1b[2Kaaa: Downloading […\x1b[2B\r\x1b[2A\r\x1b[2Kaaa: Pull complete\x1b[2B\rv2: Pulling from t…\nv1: Again\n`);
});

test("a terminal that cannot redraw gets lines, and a row that has left the screen stays as it is", async () => {
  Object.assign(process.stderr, { isTTY: true, columns: 80, rows: 2 });
  vi.stubEnv("TERM", "dumb");
  await showProgress(streamOf(...PULL.slice(0, 2)), { isQuiet: false });
  expect(err).toBe("v1: Pulling from team/bb\naaa: Downloading\n");
  vi.stubEnv("TERM", "xterm");
  err = "";
  await showProgress(streamOf(...PULL.slice(0, 4)), { isQuiet: false });
  expect(err).toBe("v1: Pulling from team/bb\naaa: Downloading [=>   ]\nbbb: Downloading [==>  ]\n");
});

test("quiet is quiet, and a failure is thrown in the registry's words", async () => {
  await showProgress(streamOf(...PULL), { isQuiet: true, output: "stderr" });
  expect([out, err]).toEqual(["", ""]);
  await expect(showProgress(streamOf({ error: "no such thing" }), { isQuiet: true })).rejects.toThrow("no such thing");
});
