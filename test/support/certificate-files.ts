import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** An authority of the test's own, and certificates of it: `ca.crt`, and `server` (for this address) and `client` as .crt with .key. */
export function makeCertificates(folder: string, address: string): void {
  const openssl = (...args: readonly string[]) => execFileSync("openssl", [...args], { cwd: folder, stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.crt", "-days", "30", "-subj", "/CN=registry authority");
  for (const [name, extensions] of [
    ["server", `subjectAltName=IP:${address}\nextendedKeyUsage=serverAuth`],
    ["client", "extendedKeyUsage=clientAuth"],
  ] as const) {
    writeFileSync(join(folder, `${name}.ext`), extensions);
    openssl("req", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    openssl(
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      "-CA",
      "ca.crt",
      "-CAkey",
      "ca.key",
      "-CAcreateserial",
      "-days",
      "30",
      "-extfile",
      `${name}.ext`,
      "-out",
      `${name}.crt`,
    );
  }
}
