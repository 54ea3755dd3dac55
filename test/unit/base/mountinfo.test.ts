import { expect, test } from "vitest";
import { mountOf, parseMountinfo } from "../../../src/base/mountinfo.js";

const MOUNTS = parseMountinfo(`21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:26 / /srv/with\\040space rw master:7 - tmpfs tmpfs rw
31 21 0:27 / /srv/data rw shared:9 master:1 - tmpfs tmpfs rw
32 21 0:28 / /srv/data rw - tmpfs tmpfs rw
`);

test.each([
  ["/", "/", true, false],
  ["/etc/passwd", "/", true, false],
  ["/srv/with space", "/srv/with space", false, true],
  ["/srv/with space/below", "/srv/with space", false, true],
  ["/srv/with spaces", "/", true, false],
  ["/srv/data/x", "/srv/data", false, false],
])("%s is on %s", (path, mountPoint, isShared, isSlave) => {
  expect(mountOf(MOUNTS, path)).toEqual({ mountPoint, isShared, isSlave });
});
