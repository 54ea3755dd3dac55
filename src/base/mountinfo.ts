/** One line of /proc/self/mountinfo (proc_pid_mountinfo(5)), as far as it is asked for. */
export interface MountEntry {
  readonly mountPoint: string;
  /** Of a peer group: what is mounted below reaches its peers. */
  readonly isShared: boolean;
  /** What is mounted below the peers of its master reaches it. */
  readonly isSlave: boolean;
}

/** In the order of mounting: of several on one place the last one hides the others. */
export function parseMountinfo(text: string): readonly MountEntry[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [before = ""] = line.split(" - ");
      const [, , , , escaped = "", , ...fields] = before.split(" ");
      return {
        mountPoint: escaped.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8))),
        isShared: fields.some((field) => field.startsWith("shared:")),
        isSlave: fields.some((field) => field.startsWith("master:")),
      };
    });
}

/** The mount that an absolute path without links is on. */
export function mountOf(mounts: readonly MountEntry[], path: string): MountEntry {
  const above = mounts.filter(({ mountPoint }) => mountPoint === "/" || path === mountPoint || path.startsWith(`${mountPoint}/`));
  return above.reduce((best, next) => (next.mountPoint.length >= best.mountPoint.length ? next : best), { mountPoint: "/", isShared: false, isSlave: false });
}
