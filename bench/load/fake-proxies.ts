/**
 * Many proxies' admin ports, as a scraper sees them: one address each, 10.9.1.1 and so on, and metrics of the size and shape
 * that a proxy with four destinations of two endpoints and four clients has. They grow with every reading.
 *   bun fake-proxies.ts COUNT PORT
 * `/metrics` is the metrics of the address that was asked, `/count` how many times any was read. After `/slow` each reading
 * takes two seconds.
 */
import { MetricsRegistry } from "#lib/metrics";

const [count, port] = process.argv.slice(2).map(Number) as [number, number];
const LATENCY_MS = [
  1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200, 300, 400, 500, 1_000, 2_000, 3_000, 4_000, 5_000, 10_000, 20_000, 30_000,
  40_000, 50_000,
];
const DURATION_SECONDS = [0.025, 0.05, 0.1, 0.5, 1, 10];
const DESTINATIONS = 4;
const ENDPOINTS_EACH = 2;
const CLIENTS = 4;
type Labels = Record<string, string | number>;

/** One proxy's metrics. `tick` is some traffic. */
class FakeProxy {
  readonly registry = new MetricsRegistry();
  readonly #ticks: (() => void)[] = [];

  constructor(index: number) {
    this.registry
      .gauge("process_start_time_seconds", "Start.")
      .series()
      .set(Date.now() / 1_000);
    for (let client = 0; client < CLIENTS; client++) this.#inbound(index, client);
    for (let service = 0; service < DESTINATIONS; service++) {
      this.#route(service);
      for (let one = 0; one < ENDPOINTS_EACH; one++) this.#outbound(service, one);
    }
  }

  tick(): void {
    for (const tick of this.#ticks) tick();
  }

  #inbound(index: number, client: number): void {
    const policy = { group: "policy.linkerd.io", kind: "server", name: "web-http" };
    const target = { direction: "inbound", ...targetOf(`10.9.1.${index + 1}`), ...tlsOf("client", client) };
    const labels = {
      ...target,
      ...prefixed("srv", policy),
      srv_port: 8080,
      ...prefixed("route", { group: "", kind: "default", name: "default" }),
      ...prefixed("authz", { ...policy, kind: "authorizationpolicy", name: `allow-${client}` }),
    };
    this.#http(labels, client === 0);
    this.#tcp({ ...target, ...prefixed("srv", policy), peer: "src" });
    this.#counter("inbound_http_authz_allow_total", labels, 10);
  }

  #outbound(service: number, endpoint: number): void {
    const ip = `10.9.1.${service * ENDPOINTS_EACH + endpoint + 1}`;
    const labels = {
      direction: "outbound",
      authority: `service-${service}.shop.svc.cluster.local:80`,
      ...targetOf(ip),
      ...tlsOf("server", service),
      ...prefixed("dst", {
        service: `service-${service}`,
        namespace: "shop",
        deployment: `service-${service}`,
        pod: `service-${service}-7d9f8b-${endpoint}`,
        serviceaccount: `service-${service}`,
        control_plane_ns: "linkerd",
        pod_template_hash: "7d9f8b",
        zone: "zone-1",
      }),
    };
    this.#http(labels, service === 0);
    this.#tcp({ ...labels, peer: "dst" });
  }

  #route(service: number): void {
    const parent = {
      group: "core",
      kind: "Service",
      namespace: "shop",
      name: `service-${service}`,
      port: 80,
      section_name: "",
    };
    const labels = {
      ...prefixed("parent", parent),
      ...prefixed("route", {
        group: "gateway.networking.k8s.io",
        kind: "HTTPRoute",
        namespace: "shop",
        name: `route-${service}`,
      }),
    };
    const backend = { ...labels, ...prefixed("backend", parent) };
    this.#histogram("outbound_http_route_request_duration_seconds", labels, DURATION_SECONDS, 0.02);
    this.#histogram("outbound_http_route_backend_response_duration_seconds", backend, DURATION_SECONDS, 0.02);
    this.#counter("outbound_http_route_request_statuses_total", { ...labels, http_status: 200, error: "" }, 10);
    this.#counter(
      "outbound_http_route_backend_response_statuses_total",
      { ...backend, http_status: 200, error: "" },
      10,
    );
  }

  #http(labels: Labels, hasFailures: boolean): void {
    this.#counter("request_total", labels, hasFailures ? 11 : 10);
    this.#response(labels, 200, "success", 10);
    if (hasFailures) this.#response(labels, 500, "failure", 1);
  }

  #response(labels: Labels, status: number, classification: string, by: number): void {
    this.#counter("response_total", { ...labels, status_code: status, classification }, by);
    this.#histogram("response_latency_ms", { ...labels, status_code: status }, LATENCY_MS, 7);
  }

  #tcp(labels: Labels): void {
    this.registry.gauge("tcp_open_connections", "Open.").series(labels).set(2);
    for (const [name, by] of [
      ["tcp_open_total", 1],
      ["tcp_read_bytes_total", 5_000],
      ["tcp_write_bytes_total", 9_000],
    ] as const)
      this.#counter(name, labels, by);
    this.#counter("tcp_close_total", { ...labels, errno: "" }, 1);
  }

  #counter(name: string, labels: Labels, by: number): void {
    const series = this.registry.counter(name, "Counted.").series(labels);
    this.#ticks.push(() => {
      series.value += by;
    });
  }

  #histogram(name: string, labels: Labels, bounds: readonly number[], value: number): void {
    const series = this.registry.histogram(name, "Measured.", bounds).series(labels);
    this.#ticks.push(() => series.observe(value));
  }
}

function targetOf(ip: string): Labels {
  return { target_addr: `${ip}:8080`, target_ip: ip, target_port: 8080 };
}

function tlsOf(peer: "client" | "server", index: number): Labels {
  return { tls: "true", [`${peer}_id`]: `service-${index}.shop.serviceaccount.identity.linkerd.cluster.local` };
}

function prefixed(prefix: string, labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [`${prefix}_${name}`, value]));
}

const SLOW_MS = 2_000;
let readCount = 0;
let delayMs = 0;
for (let index = 0; index < count; index++) {
  const proxy = new FakeProxy(index);
  Bun.serve({
    hostname: `10.9.1.${index + 1}`,
    port,
    async fetch(request) {
      if (request.url.endsWith("/count")) return new Response(String(readCount));
      if (request.url.endsWith("/slow")) {
        delayMs = SLOW_MS;
        return new Response();
      }
      readCount++;
      await Bun.sleep(delayMs);
      proxy.tick();
      return new Response(proxy.registry.render());
    },
  });
}
process.stdout.write("serving\n");
