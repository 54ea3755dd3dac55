/** Milliseconds that this process has computed so far: the machine may have other things to do meanwhile. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
