import { type Host, on } from "../lab/namespaces.ts";

/** True when a TCP connection from that host is accepted. */
export async function canConnect(host: Host, ip: string, port: number): Promise<boolean> {
  const script = `require("net").connect(${port}, "${ip}").on("connect", () => process.exit(0)).on("error", () => process.exit(1))`;
  return (await Bun.spawn(on(host, ["node", "-e", script]), { stdout: "ignore", stderr: "ignore" }).exited) === 0;
}
