/** `npm run soak -- [cgroup2] …`: a cluster under faults, or the runtime on a host with cgroup version 2 alone. */
const [what = ""] = process.argv.slice(2);
if (what === "cgroup2") await import("./cgroup2/main.js");
else await import("./cluster-faults.js");
