import { readdirSync, readFileSync } from "node:fs";
import { VERSION } from "#contracts/version";
import type { Clock } from "#lib/clock";
import type { MetricsRegistry } from "#lib/metrics";

/** What the kernel says of this process, read when metrics are asked for. */
export function registerProcessSeries(registry: MetricsRegistry, clock: Clock, maxOpenFiles: number): void {
  const gauge = (name: string, help: string) => registry.gauge(name, help).series();
  const startedAtMs = clock.wallMs();
  const startedMs = clock.monotonicMs();
  gauge("process_start_time_seconds", "When this process started, in seconds since 1970.").set(startedAtMs / 1000);
  gauge("process_max_fds", "Descriptors that may be open.").set(maxOpenFiles);
  registry
    .gauge("proxy_build_info", "This program's build.")
    .series({ version: VERSION, vendor: "linkerd-ts", profile: "release", git_sha: "", date: "" })
    .set(1);
  const uptime = registry.counter("process_uptime_seconds_total", "Seconds since the start.").series();
  const wall = gauge("process_clock_time_seconds", "The clock, in seconds since 1970.");
  const cpu = registry.counter("process_cpu_seconds_total", "Processor time used.").series();
  const virtual = gauge("process_virtual_memory_bytes", "Address space.");
  const resident = gauge("process_resident_memory_bytes", "Memory in use.");
  const anonymous = gauge(
    "process_anonymous_memory_bytes",
    "Memory that is this process's alone, not backed by a file.",
  );
  const proportional = gauge(
    "process_proportional_memory_bytes",
    "Memory in use, shared pages divided by their users.",
  );
  const fds = gauge("process_open_fds", "Descriptors open now.");
  const threads = gauge("process_threads", "Threads.");
  registry.onRender(() => {
    uptime.value = (clock.monotonicMs() - startedMs) / 1000;
    wall.set(clock.wallMs() / 1000);
    const { user, system } = process.cpuUsage();
    cpu.value = (user + system) / 1e6;
    const [virtualPages, residentPages] = readFileSync("/proc/self/statm", "latin1").split(" ").map(Number);
    virtual.set(virtualPages * PAGE_BYTES);
    resident.set(residentPages * PAGE_BYTES);
    fds.set(readdirSync("/proc/self/fd").length - 1); // without the one that reads the directory
    const status = readFileSync("/proc/self/status", "latin1");
    threads.set(fieldOf(status, "Threads"));
    anonymous.set(fieldOf(status, "RssAnon") * 1024);
    proportional.set(fieldOf(readFileSync("/proc/self/smaps_rollup", "latin1"), "Pss") * 1024);
  });
}

const PAGE_BYTES = 4096; // on x86-64, and on arm64 as Debian builds it

/** A number of /proc's `Name:  value` lines; 0 when it is not there. */
function fieldOf(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
}
