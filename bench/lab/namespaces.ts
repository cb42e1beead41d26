/**
 * Two hosts made of network namespaces, joined by one link, inside a network and mount namespace of the benchmark's own,
 * so that nothing of the machine's network is touched and everything vanishes with the process.
 */
export const CLIENT_IP = "10.9.0.1";
export const SERVER_IP = "10.9.0.2";
/** Where a control plane listens: this process, reachable from both hosts by links of their own. */
export const CONTROL_IP = "10.8.0.254";
/** Set by hand: a bridge otherwise takes on that of a new member, and hosts go on sending to the old one. */
const CONTROL_MAC = "02:00:0a:08:00:fe";
/** Where services have their addresses: nothing listens there. */
export const SERVICE_NETWORK = "10.96.0.0/16";
export type Host = "client" | "server" | `pod-${number}`;

/** Starts this program again inside fresh namespaces, as root there; returns its exit code, or undefined inside. */
export async function enterLab(): Promise<number | undefined> {
  if (process.env.LINKERD_TS_BENCH_LAB === "inside") {
    delete process.env.BUN_GC_TIMER_DISABLE; // it has had its effect here; what is measured runs as users run it
    return undefined;
  }
  const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user", "--map-auto"];
  const child = Bun.spawn(
    [
      "unshare",
      ...user,
      "--net",
      "--mount",
      "--pid",
      "--fork",
      "--kill-child=SIGKILL", // whatever becomes of a run, its processes end with it
      "--mount-proc",
      "--propagation",
      "private",
      "--",
      process.execPath,
      ...process.argv.slice(1),
    ],
    { stdio: ["inherit", "inherit", "inherit"], env: { ...process.env, LINKERD_TS_BENCH_LAB: "inside" } },
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill("SIGKILL"));
  return await child.exited;
}

/** Makes the two hosts. Call once, inside the lab. */
export function makeHosts(): void {
  sh(`
    mkdir -p /run/netns && mount -t tmpfs lab /run/netns
    ip link set lo up
    ip netns add client && ip netns add server
    ip link add lab-client netns client type veth peer name lab-server netns server
    ip -n client addr add ${CLIENT_IP}/24 dev lab-client && ip -n client link set lab-client up && ip -n client link set lo up
    ip -n server addr add ${SERVER_IP}/24 dev lab-server && ip -n server link set lab-server up && ip -n server link set lo up
    ip -n client route add ${SERVICE_NETWORK} dev lab-client
    ip link add control address ${CONTROL_MAC} type bridge && ip addr add ${CONTROL_IP}/24 dev control && ip link set control up
    for host in client:1 server:2; do
      name=\${host%:*}
      ip link add to-$name type veth peer name control netns $name
      ip link set to-$name master control up
      ip -n $name addr add 10.8.0.\${host#*:}/24 dev control && ip -n $name link set control up
    done
  `);
}

/** One more host on the control plane's network; returns its address. Call `removePod` after. */
export function makePod(index: number): { host: Host; ip: string } {
  const host: Host = `pod-${index}`;
  const ip = `10.8.0.${10 + index}`;
  sh(`
    ip netns add ${host} && ip -n ${host} link set lo up
    ip link add to-${host} type veth peer name control netns ${host}
    ip link set to-${host} master control up
    ip -n ${host} addr add ${ip}/24 dev control && ip -n ${host} link set control up
    ip -n ${host} route add ${SERVICE_NETWORK} dev control
    ip -n ${host} route add ${SERVER_IP} via 10.8.0.2
  `);
  return { host, ip };
}

export function removePod(host: Host): void {
  sh(`ip netns del ${host}`);
}

export function sh(script: string): string {
  const done = Bun.spawnSync(["sh", "-ec", script], { stdout: "pipe", stderr: "pipe" });
  if (done.exitCode !== 0)
    throw new Error(`Cannot prepare the benchmark's network:\n${done.stderr.toString()}\nin: ${script}`);
  return done.stdout.toString();
}

/** The command as it runs on a host. */
export function on(host: Host, command: readonly string[]): string[] {
  return ["ip", "netns", "exec", host, ...command];
}
