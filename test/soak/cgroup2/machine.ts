import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface MachineOptions {
  /** Has vmlinuz, initrd.gz and root.img (deploy/machine-image). */
  readonly image: string;
  /** Its second disk. */
  readonly disk: string;
  /** File for what its console shows. */
  readonly console: string;
  /** What its kernel is told besides. */
  readonly parameters: string;
  /** How long it may say nothing before it counts as hanging, its start included. */
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

const MEMORY_MB = 1536;
/** Times are not the emulated processor's, so it need not check them; no mitigations, for there is no neighbour to hide from. */
const KERNEL_PARAMETERS = "console=ttyS0 panic=-1 mitigations=off tsc=reliable clocksource=tsc systemd.show_status=0 systemd.unified_cgroup_hierarchy=1";

/**
 * Runs a virtual machine until it switches itself off, and gives the lines that it writes to its channel "results". Emulated without KVM, which test
 * machines lack; with one processor. Disks stay as they are: what it writes is gone with it. Throws when it hangs or cannot be started; dies with this process.
 */
export async function* runMachine(options: MachineOptions): AsyncGenerator<string> {
  const silence = new AbortController();
  const qemu = spawn("setpriv", ["--pdeathsig", "KILL", "qemu-system-x86_64", ...argumentsOf(options)], {
    // Its input stays open: the channel would end with it.
    stdio: ["pipe", "pipe", "pipe"],
    signal: AbortSignal.any([options.signal, silence.signal]),
    killSignal: "SIGKILL",
  });
  let complaint = "";
  qemu.stderr.on("data", (part: Buffer) => {
    complaint += part.toString();
  });
  const ended = new Promise<number>((resolve, reject) => qemu.once("error", reject).once("close", (code) => resolve(code ?? -1)));
  ended.catch(() => undefined);
  const watch = () => setTimeout(() => silence.abort(), options.silenceMs);
  let timer = watch();
  try {
    for await (const line of createInterface({ input: qemu.stdout })) {
      clearTimeout(timer);
      timer = watch();
      yield line;
    }
    const code = await ended;
    if (code !== 0) throw new Error(`qemu ended with ${code}: ${complaint.trim()}`);
  } catch (cause) {
    options.signal.throwIfAborted();
    if (silence.signal.aborted) throw new Error(`the machine said nothing for ${options.silenceMs / 1000} s`, { cause });
    throw cause;
  } finally {
    clearTimeout(timer);
    qemu.kill("SIGKILL");
  }
}

function argumentsOf({ image, disk, console, parameters }: MachineOptions): readonly string[] {
  const drive = (file: string) => ["-drive", `file=${file},if=virtio,format=raw,snapshot=on,cache=unsafe`];
  return [
    ...["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off", "-smp", "1", "-m", String(MEMORY_MB)],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-kernel", join(image, "vmlinuz"), "-initrd", join(image, "initrd.gz"), "-append", `${KERNEL_PARAMETERS} ${parameters}`],
    ...["-serial", `file:${console}`],
    ...["-chardev", "stdio,id=results,signal=off", "-device", "virtio-serial", "-device", "virtserialport,chardev=results,name=results"],
    ...drive(join(image, "root.img")),
    ...drive(disk),
  ];
}
