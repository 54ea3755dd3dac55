import { expect, test } from "vitest";
import { Fields } from "../../../src/api/http/convert/fields.js";
import { isolationFromDocker } from "../../../src/api/http/convert/container-isolation.js";

const read = (body: object, isRemapped: boolean) => isolationFromDocker(new Fields(body, "HostConfig"), isRemapped);

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
  [{ PidMode: "container:a" }, true, 501, 'HostConfig.PidMode "container:a" is not supported yet'],
  [{ IpcMode: "container:a" }, true, 501, 'HostConfig.IpcMode "container:a" is not supported yet'],
  [{ IpcMode: "container:a" }, false, 501, 'HostConfig.IpcMode "container:a" is not supported yet'],
  [{ UsernsMode: "other" }, false, 501, 'HostConfig.UsernsMode "other" is not supported yet'],
  [{ CgroupParent: "/a" }, false, 501, 'HostConfig.CgroupParent "/a" is not supported yet'],
])("%j, where containers are remapped: %s", (body, isRemapped, status, message) => {
  expect(() => read(body, isRemapped)).toThrow(expect.objectContaining({ status, message }));
});

test.each([
  [{}, []],
  [{ PidMode: "host" }, ["pid"]],
  [{ PidMode: "host", IpcMode: "host", UTSMode: "host" }, ["pid", "ipc", "uts"]],
])("%j is in these namespaces of the host: %j", (body, hostNamespaces) => {
  expect(read(body, false)).toMatchObject({ hostNamespaces });
  expect(read({ ...body, UsernsMode: "host" }, true)).toMatchObject({ hostNamespaces, usesHostUsers: true });
});
