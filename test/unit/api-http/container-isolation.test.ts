import { expect, test } from "vitest";
import { HttpError } from "../../../src/api/http/errors.js";
import { Fields } from "../../../src/api/http/convert/fields.js";
import { isolationFromDocker } from "../../../src/api/http/convert/container-isolation.js";
import { containerConfig } from "../../support/container-config.js";

const NEAR = "a".repeat(64);
const findContainer = (reference: string) => {
  if (reference !== "near") throw new HttpError(404, `No such container: ${reference}`);
  return { config: containerConfig(NEAR, "near") };
};
const read = (body: object, isRemapped: boolean) => isolationFromDocker(new Fields(body, "HostConfig"), { isRemapped, findContainer });

test.each([
  [{}, false],
  [{ UsernsMode: "host" }, true],
  [{ UsernsMode: "", PidMode: "private", IpcMode: "shareable", CgroupnsMode: "private" }, false],
])("%j stays in the host's user namespace: %s", (body, usesHostUsers) => {
  for (const isRemapped of [true, false]) expect(read(body, isRemapped)).toMatchObject({ usesHostUsers });
});

test.each([
  [{ PidMode: "host" }, true, 400, "cannot share the host PID namespace when user namespaces are enabled"],
  [{ IpcMode: "host" }, true, 400, "cannot share the host's IPC namespace when user namespaces are enabled"],
  [{ UTSMode: "private" }, false, 501, 'HostConfig.UTSMode "private" is not supported yet'],
  [{ CgroupnsMode: "host" }, true, 400, "cannot share the host's cgroup namespace when user namespaces are enabled"],
  [{ PidMode: "container:far" }, true, 404, "No such container: far"],
  [{ IpcMode: "container:far" }, false, 404, "No such container: far"],
  [{ PidMode: "container:" }, false, 501, 'HostConfig.PidMode "container:" is not supported yet'],
  [{ UTSMode: "container:near" }, false, 501, 'HostConfig.UTSMode "container:near" is not supported yet'],
  [{ UsernsMode: "other" }, false, 501, 'HostConfig.UsernsMode "other" is not supported yet'],
  [{ CgroupParent: "/a" }, false, 501, 'HostConfig.CgroupParent "/a" is not supported yet'],
])("%j, where containers are remapped: %s", (body, isRemapped, status, message) => {
  expect(() => read(body, isRemapped)).toThrow(expect.objectContaining({ status, message }));
});

test.each([
  [{}, []],
  [{ PidMode: "host" }, ["pid"]],
  [{ PidMode: "host", IpcMode: "host", UTSMode: "host", CgroupnsMode: "host" }, ["pid", "ipc", "uts", "cgroup"]],
])("%j is in these namespaces of the host: %j", (body, hostNamespaces) => {
  expect(read(body, false)).toMatchObject({ hostNamespaces });
  expect(read({ ...body, UsernsMode: "host" }, true)).toMatchObject({ hostNamespaces, usesHostUsers: true });
});

test.each([
  [{}, undefined, undefined],
  [{ PidMode: "private", IpcMode: "private" }, undefined, undefined],
  [{ IpcMode: "shareable" }, undefined, "shareable"],
  [{ IpcMode: "none" }, undefined, "none"],
  [{ PidMode: "container:near" }, { pid: NEAR }, undefined],
  [{ PidMode: "container:near", IpcMode: "container:near" }, { pid: NEAR, ipc: NEAR }, undefined],
])("%j joins %j, and its memory is %j", (body, joins, ipc) => {
  for (const isRemapped of [true, false]) expect(pick(read(body, isRemapped))).toEqual({ joins, ipc });
});

function pick({ joins, ipc }: ReturnType<typeof read>) {
  return { joins, ipc };
}
