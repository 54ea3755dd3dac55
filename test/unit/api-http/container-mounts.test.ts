import { Readable } from "node:stream";
import { expect, test } from "vitest";
import type { ContainerMount, MountedVolume } from "../../../src/runtime/container-config.js";
import { inactiveFixture } from "./server-fixture.js";

const PLAIN = { isReadOnly: false, propagation: "", sizeBytes: 0, mode: 0 };
const VOLUME: MountedVolume = { name: "", isAnonymous: false, isCopied: true, subpath: "", driver: "", options: {}, labels: {} };

async function create(host: unknown, more: object = {}) {
  const fixture = await inactiveFixture();
  await fixture.backend.images.import(Readable.from([]), { reference: "bb:v1", message: "", changes: [], platform: "" });
  const answer = await fixture.call("POST", "/containers/create?name=c", { Image: "bb:v1", HostConfig: host, ...more });
  return { ...fixture, answer, mounts: () => fixture.backend.containers.inspect("c")?.config.mounts };
}

test.each<[object, readonly Partial<ContainerMount>[]]>([
  [{ Binds: ["data:/d"] }, [{ type: "volume", source: "", target: "/d", ...PLAIN, volume: { ...VOLUME, name: "data" } }]],
  [{ Binds: ["data:/d:ro,nocopy,z"] }, [{ type: "volume", isReadOnly: true, volume: { ...VOLUME, name: "data", isCopied: false } }]],
  [{ Binds: ["/anonymous"], VolumeDriver: "local" }, [{ type: "volume", target: "/anonymous", volume: { ...VOLUME, isAnonymous: true, driver: "local" } }]],
  [{ Binds: ["/tmp:/t:ro,rshared"] }, [{ type: "bind", source: "/tmp", target: "/t", isReadOnly: true, propagation: "rshared" }]],
  [{ Mounts: [{ Type: "bind", Source: "/tmp", Target: "/t", BindOptions: { NonRecursive: true } }] }, [{ type: "bind", isShallow: true }]],
  [
    { Mounts: [{ Type: "bind", Source: "/tmp", Target: "/t", ReadOnly: true, BindOptions: { ReadOnlyNonRecursive: true } }] },
    [{ type: "bind", isReadOnly: true, isReadOnlyShallow: true }],
  ],
  [
    {
      Mounts: [
        {
          Type: "volume",
          Source: "v1",
          Target: "/v",
          VolumeOptions: { NoCopy: true, Subpath: "a/b", Labels: { l: "1" }, DriverConfig: { Name: "local", Options: { type: "tmpfs", device: "tmpfs" } } },
        },
      ],
    },
    [
      {
        type: "volume",
        volume: {
          name: "v1",
          isAnonymous: false,
          isCopied: false,
          subpath: "a/b",
          driver: "local",
          options: { type: "tmpfs", device: "tmpfs" },
          labels: { l: "1" },
        },
      },
    ],
  ],
  [{ Mounts: [{ Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 1000, Mode: 0o1770 } }] }, [{ type: "tmpfs", sizeBytes: 1000, mode: 0o1770 }]],
  [{ Tmpfs: { "/t": "rw,size=2m,exec,uid=7,mode=700" } }, [{ type: "tmpfs", sizeBytes: 2 << 20, mode: 0o700, options: ["exec", "uid=7"] }]],
])("%j", async (host, expected) => {
  const { answer, mounts } = await create(host);
  expect(answer).toMatchObject({ status: 201 });
  expect(mounts()).toMatchObject(expected);
});

test.each([
  [{ Binds: ["a:/d", "b:/d/"] }, 400, "Duplicate mount point: /d/"],
  [{ Binds: ["a:/d"], Tmpfs: { "/d": "" } }, 400, "Duplicate mount point: /d"],
  [{ Binds: ["a:b:c:d"] }, 400, "invalid volume specification: 'a:b:c:d'"],
  [{ Binds: [":/d"] }, 400, "invalid volume specification: ':/d'"],
  [{ Binds: ["data:/d:shared"] }, 400, "invalid mode: shared in 'data:/d:shared'"],
  [{ Binds: ["/tmp:/d:nocopy"] }, 400, "invalid mode: nocopy in '/tmp:/d:nocopy'"],
  [{ Mounts: [{ Type: "bind", Target: "/d" }] }, 400, "invalid bind mount source, must not be empty"],
  [
    { Mounts: [{ Type: "bind", Source: "/tmp", Target: "/d", VolumeOptions: {} }] },
    400,
    'invalid mount config for type "bind": field VolumeOptions must not be specified',
  ],
  [{ Mounts: [{ Type: "image", Source: "x", Target: "/d" }] }, 501, "mounts of type image are not supported yet: bind, volume and tmpfs are (target /d)"],
  [{ Tmpfs: { "/t": "huge=always" } }, 501, 'the tmpfs option "huge=always" is not supported yet'],
  [{ VolumesFrom: ["none"] }, 400, "No such container: none"],
  [{ VolumesFrom: ["c:rx"] }, 400, "invalid mode for volumes-from: rx"],
])("%j is refused with %i", async (host, status, message) => {
  const { answer, backend } = await create(host);
  expect(answer).toMatchObject({ status, json: { message } });
  expect(backend.containers.list()).toEqual([]);
});

test("inspect shows what was asked for and what it came to", async () => {
  const host = {
    Binds: ["data:/d:ro", "/tmp:/t:ro,rslave"],
    Mounts: [{ Type: "tmpfs", Target: "/m", TmpfsOptions: { SizeBytes: 1000 } }],
    Tmpfs: { "/hidden": "size=1m" },
  };
  const { call } = await create(host, { Volumes: { "/anonymous": {}, "/d": {} } });
  const { json } = await call("GET", "/containers/c/json");
  expect(json.HostConfig).toMatchObject({ ...host, VolumesFrom: null, VolumeDriver: "" });
  expect(json.Config.Volumes).toEqual({ "/anonymous": {} });
  expect(json.Mounts).toEqual([
    { Type: "volume", Name: "data", Source: "", Destination: "/d", Driver: "local", Mode: "ro", RW: false, Propagation: "" },
    { Type: "bind", Source: "/tmp", Destination: "/t", Mode: "ro,rslave", RW: false, Propagation: "rslave" },
    { Type: "tmpfs", Source: "", Destination: "/m", Mode: "", RW: true, Propagation: "" },
    { Type: "volume", Name: "", Source: "", Destination: "/anonymous", Driver: "local", Mode: "z", RW: true, Propagation: "" },
  ]);
});

test("volumes of another container: as they are there, or read-only, and never in the way of its own", async () => {
  const { call, backend } = await create({ Binds: ["data:/d:ro", "logs:/l", "/tmp:/t"], Tmpfs: { "/m": "" } });
  const other = (VolumesFrom: readonly string[]) => ({ Image: "bb:v1", HostConfig: { VolumesFrom, Binds: ["own:/l"] } });
  await call("POST", "/containers/create?name=same", other(["c"]));
  await call("POST", "/containers/create?name=locked", other(["c:ro"]));
  const shown = (name: string) =>
    backend.containers.inspect(name)?.config.mounts.map((mount) => [mount.target, mount.volume?.name ?? mount.source, mount.isReadOnly]);
  expect(shown("same")).toEqual([
    ["/l", "own", false],
    ["/d", "data", true],
    ["/t", "/tmp", false],
  ]);
  expect(shown("locked")).toEqual([
    ["/l", "own", false],
    ["/d", "data", true],
    ["/t", "/tmp", true],
  ]);
  expect((await call("GET", "/containers/same/json")).json.HostConfig.VolumesFrom).toEqual(["c"]);
});
