import { type Command, Option } from "commander";
import { collect } from "../collect.js";
import { type ContentTrustFlag, contentTrustOption } from "../content-trust.js";
import { addResourceFlags, type ResourceFlags } from "./resource-flags.js";

type List = readonly string[];

/** The flags of `create`, which `run` has too, as they were given. */
export interface CreateFlags extends ResourceFlags, ContentTrustFlag {
  readonly addHost?: List;
  readonly attach?: List;
  readonly blkioWeightDevice?: List;
  readonly capAdd?: List;
  readonly capDrop?: List;
  readonly cgroupParent?: string;
  readonly cgroupns?: string;
  readonly cidfile?: string;
  readonly device?: List;
  readonly deviceCgroupRule?: List;
  readonly deviceReadBps?: List;
  readonly deviceReadIops?: List;
  readonly deviceWriteBps?: List;
  readonly deviceWriteIops?: List;
  readonly dns?: List;
  readonly dnsOption?: List;
  readonly dnsSearch?: List;
  readonly domainname?: string;
  readonly entrypoint?: string;
  readonly env?: List;
  readonly envFile?: List;
  readonly expose?: List;
  readonly gpus?: string;
  readonly groupAdd?: List;
  readonly healthCmd?: string;
  readonly healthInterval?: string;
  readonly healthRetries?: string;
  readonly healthStartInterval?: string;
  readonly healthStartPeriod?: string;
  readonly healthTimeout?: string;
  /** commander's form of `--no-healthcheck`: false when it was given. */
  readonly healthcheck: boolean;
  readonly hostname?: string;
  readonly init?: boolean;
  readonly interactive?: boolean;
  readonly ip?: string;
  readonly ip6?: string;
  readonly ipc?: string;
  readonly isolation?: string;
  readonly label?: List;
  readonly labelFile?: List;
  readonly link?: List;
  readonly logDriver?: string;
  readonly logOpt?: List;
  readonly macAddress?: string;
  readonly memorySwappiness?: string;
  readonly mount?: List;
  readonly name?: string;
  readonly network?: List;
  readonly networkAlias?: List;
  readonly oomKillDisable?: boolean;
  readonly oomScoreAdj?: string;
  readonly pid?: string;
  readonly platform?: string;
  readonly privileged?: boolean;
  readonly publish?: List;
  readonly publishAll?: boolean;
  readonly pull: string;
  readonly quiet?: boolean;
  readonly readOnly?: boolean;
  readonly rm?: boolean;
  readonly runtime?: string;
  readonly securityOpt?: List;
  readonly shmSize?: string;
  readonly stopSignal?: string;
  readonly stopTimeout?: string;
  readonly storageOpt?: List;
  readonly sysctl?: List;
  readonly tmpfs?: List;
  readonly tty?: boolean;
  readonly ulimit?: List;
  readonly user?: string;
  readonly userns?: string;
  readonly uts?: string;
  readonly volume?: List;
  readonly volumeDriver?: string;
  readonly volumesFrom?: List;
  readonly workdir?: string;
}

/** Given once, with a value. */
const VALUES: readonly (readonly [flag: string, help: string])[] = [
  ["--cgroup-parent <path>", "cgroup to put the container's below"],
  ["--cgroupns <mode>", "cgroup namespace: host or private"],
  ["--cidfile <file>", "write the container's id into this file"],
  ["--domainname <name>", "NIS domain name"],
  ["--entrypoint <program>", "replaces the image's entrypoint"],
  ["--gpus <request>", "all, or a number of GPUs"],
  ["--health-cmd <command>", "command that checks the health"],
  ["--health-interval <duration>", "time between two checks"],
  ["--health-retries <n>", "failures one after another that make it unhealthy"],
  ["--health-start-interval <duration>", "time between two checks in the start period"],
  ["--health-start-period <duration>", "time in which failures do not count"],
  ["--health-timeout <duration>", "time that a check may take"],
  ["-h, --hostname <name>", "host name"],
  ["--ip <address>", "IPv4 address in the network"],
  ["--ip6 <address>", "IPv6 address in the network"],
  ["--ipc <mode>", "IPC namespace: private, shareable, none, host or container:NAME"],
  ["--isolation <technology>", "default is the only one on Linux"],
  ["--log-driver <name>", "where the output goes: json-file, local, journald, syslog, none"],
  ["--mac-address <address>", "MAC address of its interface on the bridge"],
  ["--memory-swappiness <n>", "0 to 100, -1 is the host's"],
  ["--name <name>", "name of the container"],
  ["--oom-score-adj <n>", "-1000 to 1000: how likely it is ended when memory is short"],
  ["--pid <mode>", "process namespace: host or container:NAME"],
  ["--platform <platform>", "os[/arch[/variant]] of the image"],
  ["--runtime <name>", "OCI runtime"],
  ["--shm-size <size>", "size of /dev/shm"],
  ["--stop-signal <signal>", "signal that asks it to end (default the image's, or SIGTERM)"],
  ["--stop-timeout <seconds>", "time to end after that signal"],
  ["-u, --user <user>", "user[:group], by name or number"],
  ["--userns <mode>", "user namespace: host keeps it in the host's where the daemon remaps users"],
  ["--uts <mode>", "UTS namespace: host"],
  ["--volume-driver <name>", "driver of volumes that have to be made"],
  ["-w, --workdir <path>", "working directory"],
];

/** Given as often as one likes. */
const LISTS: readonly (readonly [flag: string, help: string])[] = [
  ["--add-host <name:address>", "entry of /etc/hosts"],
  ["-a, --attach <stream>", "stdin, stdout or stderr"],
  ["--blkio-weight-device <path:weight>", "share of one disk's time"],
  ["--cap-add <capability>", "capability to add"],
  ["--cap-drop <capability>", "capability to drop"],
  ["--device <path[:path[:rwm]]>", "device of the host"],
  ["--device-cgroup-rule <rule>", 'devices that may be used, as in "c 1:3 rwm"'],
  ["--device-read-bps <path:rate>", "most bytes read a second"],
  ["--device-read-iops <path:rate>", "most reads a second"],
  ["--device-write-bps <path:rate>", "most bytes written a second"],
  ["--device-write-iops <path:rate>", "most writes a second"],
  ["--dns <address>", "DNS server"],
  ["--dns-option <option>", "option of the resolver"],
  ["--dns-search <domain>", "DNS search domain"],
  ["-e, --env <name[=value]>", "environment variable; without a value the one of this shell"],
  ["--env-file <file>", "file with a variable a line"],
  ["--expose <port>", "port[-port][/protocol] that can be published"],
  ["--group-add <group>", "supplementary group"],
  ["-l, --label <key=value>", "label"],
  ["--label-file <file>", "file with a label a line"],
  ["--link <container:alias>", "link to another container"],
  ["--log-opt <key=value>", "option of the log driver"],
  ["--mount <fields>", "type=bind|volume|tmpfs,source=…,target=…[,readonly]"],
  ["--network <network>", "bridge, host, none, container:NAME, or a network"],
  ["--network-alias <name>", "one more name in the network"],
  ["-p, --publish <port>", "[[address:]host-port:]port[/protocol], ranges too"],
  ["--security-opt <option>", "no-new-privileges, seccomp=FILE|unconfined, …"],
  ["--storage-opt <key=value>", "option of the storage driver"],
  ["--sysctl <key=value>", "kernel parameter"],
  ["--tmpfs <path[:options]>", "tmpfs"],
  ["--ulimit <name=soft[:hard]>", "limit of the process"],
  ["-v, --volume <source:target[:options]>", "folder of the host, or volume"],
  ["--volumes-from <container[:ro]>", "the mounts of another container"],
];

const SWITCHES: readonly (readonly [flag: string, help: string])[] = [
  ["--init", "run an init that reaps processes and passes signals on"],
  ["-i, --interactive", "keep the input open, also with nobody attached"],
  ["--no-healthcheck", "no checks, whatever the image says"],
  ["--oom-kill-disable", "stop it instead of ending it when its memory is full"],
  ["--privileged", "everything that the host's root may do"],
  ["-P, --publish-all", "publish all exposed ports, on any ports of the host"],
  ["-q, --quiet", "no progress of a pull"],
  ["--read-only", "the root file system cannot be written"],
  ["--rm", "remove it when it ends"],
  ["-t, --tty", "give it a terminal"],
];

const OLDER_NAMES: Readonly<Record<string, string>> = { "--net": "network", "--net-alias": "networkAlias", "--dns-opt": "dnsOption" };

export function addCreateFlags(command: Command): void {
  // -h is the host name.
  command.helpOption("--help", "show how it is used");
  addResourceFlags(command);
  for (const [flag, help] of [...VALUES, ...SWITCHES]) command.option(flag, help);
  for (const [flag, help] of LISTS) command.option(flag, `${help}; repeatable`, collect);
  // Older names, which scripts still use.
  for (const [flag, name] of Object.entries(OLDER_NAMES)) {
    const store = (value: string) => {
      command.setOptionValue(name, collect(value, command.getOptionValue(name) as List | undefined));
    };
    command.addOption(new Option(`${flag} <value>`).hideHelp().argParser(store));
  }
  command.addOption(contentTrustOption());
  command.option("--pull <when>", "always, missing or never", "missing");
}
