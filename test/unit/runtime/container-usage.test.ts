import { expect, test } from "vitest";
import { parseDisks } from "../../../src/runtime/container-usage.js";

test.each([
  ["", []],
  ["254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n", [{ major: 254, minor: 0, readBytes: 4096, writtenBytes: 8192 }]],
  [
    "8:0 rbytes=1 wbytes=0 rios=1 wios=0\n7:3 \n259:12 rbytes=0 wbytes=2 rios=0 wios=1\n",
    [
      { major: 8, minor: 0, readBytes: 1, writtenBytes: 0 },
      { major: 259, minor: 12, readBytes: 0, writtenBytes: 2 },
    ],
  ],
])("io.stat %j", (text, disks) => {
  expect(parseDisks(text)).toEqual(disks);
});
