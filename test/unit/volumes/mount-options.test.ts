import { expect, test } from "vitest";
import { withoutPasswords, withServerAddress } from "../../../src/volumes/mount-options.js";

test.each([
  ["nfs", ":/x", "rw,addr=localhost,vers=4.2", ":/x", "rw,addr=127.0.0.1,vers=4.2"],
  ["nfs4", ":/x", "addr=localhost", ":/x", "addr=127.0.0.1"],
  ["nfs", "localhost:/x", "rw", "localhost:/x", "rw"],
  ["nfs", ":/x", "addr=::1", ":/x", "addr=::1"],
  ["cifs", "//localhost/share/sub", "username=a", "//127.0.0.1/share/sub", "username=a"],
  ["cifs", "//name/share", "addr=localhost,username=a", "//name/share", "addr=127.0.0.1,username=a"],
  ["cifs", "//[::1]/share", "", "//[::1]/share", ""],
  ["tmpfs", "tmpfs", "addr=localhost", "tmpfs", "addr=localhost"],
])("%s of %s with '%s' is mounted from %s with '%s'", async (type, device, o, expectedDevice, expected) => {
  expect(await withServerAddress({ type, device, o })).toEqual({ type, device: expectedDevice, o: expected });
});

test("a server that cannot be found is named", async () => {
  await expect(withServerAddress({ type: "nfs", device: ":/x", o: "addr=a..b" })).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringMatching(/^the server "a\.\.b" cannot be found: /),
  });
});

test.each([
  ["//a:se@cret@localhost/share", "//a:********@localhost/share"],
  ["//a@localhost/share", "//a@localhost/share"],
])("the user of %s is refused with a hint, and a password is not told", async (device, shown) => {
  const message = `the device ${shown} names a user before its server: say username= and password= in "o"`;
  await expect(withServerAddress({ type: "cifs", device, o: "addr=localhost" })).rejects.toMatchObject({ code: "failed_precondition", message });
  expect(withoutPasswords({ type: "cifs", device })).toEqual({ type: "cifs", device: shown });
});

test.each([
  ["username=a,password=secret,vers=3.0", "username=a,password=********,vers=3.0"],
  ["pass=a,,b,rw", "pass=********,rw"],
  ["password=,password2=x", "password=********,password2=********"],
  ["user=pass=1", "user=pass=1"],
])("of '%s' people see '%s'", (o, expected) => {
  expect(withoutPasswords({ type: "cifs", device: "//h/s", o })).toEqual({ type: "cifs", device: "//h/s", o: expected });
});

test("options without any are as they were", () => {
  expect(withoutPasswords({})).toEqual({});
});
