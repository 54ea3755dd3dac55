import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A tar of a root file system that holds busybox with every applet: what test images are imported from. */
export function busyboxTar(): Buffer {
  const root = mkdtempSync(join(tmpdir(), "busybox-"));
  try {
    for (const folder of ["bin", "etc", "tmp", "proc", "sys", "dev", "root", "www"]) mkdirSync(join(root, folder));
    copyFileSync("/bin/busybox", join(root, "bin/busybox"));
    for (const applet of execFileSync("/bin/busybox", ["--list"], { encoding: "utf8" }).trim().split("\n")) {
      if (applet !== "busybox") symlinkSync("busybox", join(root, "bin", applet));
    }
    writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n");
    writeFileSync(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
    return execFileSync("tar", ["-C", root, "-cf", "-", "."], { maxBuffer: 64 * 1024 * 1024 });
  } finally {
    rmSync(root, { recursive: true });
  }
}
