/** `npm run soak -- [cgroup2|selinux|restarts] …`: a cluster under faults, the runtime on a host with cgroup version 2 alone or with SELinux, or containers of a host whose daemon is killed. */
const [what = ""] = process.argv.slice(2);
if (what === "cgroup2" || what === "selinux") await import("./cgroup2/main.js");
else if (what === "restarts") await import("./restarts.js");
else await import("./cluster-faults.js");
