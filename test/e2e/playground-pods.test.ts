import { afterAll, beforeAll, expect, test } from "bun:test";
import { kubectlPath, TestPlayground, until, visibleBun } from "../support/playground.ts";

const bun = visibleBun();

let playground: TestPlayground;

beforeAll(async () => {
  playground = await TestPlayground.start("pods");
});
afterAll(async () => {
  await playground.stop();
});

interface PodStatus {
  phase: string;
  podIP?: string;
  conditions: { type: string; status: string }[];
  containerStatuses: ContainerStatus[];
  initContainerStatuses?: ContainerStatus[];
}
interface ContainerStatus {
  name: string;
  ready: boolean;
  restartCount: number;
  state: {
    waiting?: { reason: string; message?: string };
    terminated?: { exitCode: number; reason: string; message?: string };
    running?: object;
  };
  lastState: { terminated?: { exitCode: number; reason: string } };
}
interface PodObject {
  metadata: { name: string; deletionTimestamp?: string };
  status: PodStatus;
}

function pod(name: string, spec: object, labels: Record<string, string> = {}): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels },
    spec: { terminationGracePeriodSeconds: 1, ...spec },
  };
}

function container(name: string, script: string, more: object = {}): object {
  return { name, image: "none", command: ["sh", "-c", script], ...more };
}

const SERVER =
  "process.on('SIGTERM', () => process.exit(0)); Bun.serve({ port: 8080, fetch: () => new Response(process.env.ANSWER ?? process.env.HOSTNAME) });";

/** A Deployment of small web servers with a Service in front. */
function web(name: string, answer: string, more: object = {}): object[] {
  const labels = { app: name };
  const server = {
    name: "web",
    image: "none",
    command: [bun, "-e", SERVER],
    env: [{ name: "ANSWER", value: answer }],
    ports: [{ name: "http", containerPort: 8080 }],
    readinessProbe: { httpGet: { path: "/", port: "http" } },
  };
  const template = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 2, containers: [server] } };
  return [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name },
      spec: { replicas: 2, selector: { matchLabels: labels }, template, ...more },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name },
      spec: { selector: labels, ports: [{ name: "http", port: 80, targetPort: "http" }] },
    },
  ];
}

/** Runs a script in a pod to its end and returns what it printed. */
async function runInPod(name: string, script: string, more: object = {}): Promise<string> {
  await playground.apply(pod(name, { restartPolicy: "Never", containers: [container("run", script)], ...more }));
  await until(`pod ${name} to end`, async () => /Succeeded|Failed/.test((await status(name)).phase));
  return await playground.run("logs", name);
}

async function status(name: string): Promise<PodStatus> {
  return (await playground.get<PodObject>("pod", name)).status;
}

test("a Service is reached by its name from another pod, and only ready pods answer", async () => {
  await playground.apply(...web("shop", "hello"));
  await playground.run("rollout", "status", "deployment/shop", "--timeout=20s");
  const names = [
    "shop",
    "shop.default",
    "shop.default.svc",
    "shop.default.svc.cluster.local",
    "shop.default.svc.cluster.local.",
  ];
  expect(await runInPod("caller", names.map((name) => `curl -sS http://${name}/; echo`).join("; "))).toBe(
    "hello\n".repeat(5),
  );
});

test("a pod reaches itself through its Service", async () => {
  await playground.apply(...web("mirror", "self", { replicas: 1 }));
  await playground.run("rollout", "status", "deployment/mirror", "--timeout=20s");
  const name = (await playground.run("get", "pods", "-l", "app=mirror", "-o", "name")).trim();
  expect(await playground.run("exec", name, "--", "curl", "-sS", "--max-time", "5", "http://mirror/")).toBe("self");
});

test("a Service without endpoints refuses, and an unknown name does not exist", async () => {
  await playground.apply({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "empty" },
    spec: { selector: { app: "nobody" }, ports: [{ port: 80 }] },
  });
  const said = await runInPod(
    "refused",
    "curl -sS --max-time 3 http://empty/; echo $?; curl -sS http://no-such-name/; echo $?",
  );
  expect(said).toContain("7\n"); // curl: failed to connect
  expect(said).toContain("6\n"); // curl: could not resolve
});

test("a rolling update never drops below its floor, and undo brings the old template back", async () => {
  const strategy = { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } };
  await playground.apply(...web("roll", "one", { strategy }));
  await playground.run("rollout", "status", "deployment/roll", "--timeout=20s");
  let lowest = 2;
  let isRolling = true;
  const watched = (async () => {
    while (isRolling) {
      const { status: now } = await playground.get<{ status: { availableReplicas?: number } }>("deployment", "roll");
      lowest = Math.min(lowest, now.availableReplicas ?? 0);
    }
  })();
  await playground.run("set", "env", "deployment/roll", "ANSWER=two");
  await playground.run("rollout", "status", "deployment/roll", "--timeout=20s");
  isRolling = false;
  await watched;
  expect(lowest).toBe(2);
  expect(await runInPod("after-roll", "curl -sS http://roll/")).toBe("two");
  await playground.run("rollout", "undo", "deployment/roll");
  await playground.run("rollout", "status", "deployment/roll", "--timeout=20s");
  expect(await runInPod("after-undo", "curl -sS http://roll/")).toBe("one");
  expect(
    await playground.run(
      "get",
      "deployment",
      "roll",
      "-o",
      "jsonpath={.metadata.annotations.deployment\\.kubernetes\\.io/revision}",
    ),
  ).toBe("3");
});

test("init containers run in order, a native sidecar starts before them and ends after the rest", async () => {
  const note = (word: string): string => `echo ${word} >> /shared/order`;
  const share = { volumeMounts: [{ name: "shared", mountPath: "/shared" }] };
  await playground.apply(
    pod("ordered", {
      restartPolicy: "Never",
      volumes: [{ name: "shared", emptyDir: {} }],
      initContainers: [
        container("first", note("first"), share),
        container(
          "sidecar",
          `${note("sidecar")}; touch /tmp/up; trap '${note("sidecar-ends")}; cat /shared/order; exit 0' TERM; while true; do sleep 0.02; done`,
          {
            ...share,
            restartPolicy: "Always",
            startupProbe: { exec: { command: ["test", "-f", "/tmp/up"] }, periodSeconds: 1 },
          },
        ),
        container("second", note("second"), share),
      ],
      containers: [container("main", note("main"), share)],
    }),
  );
  await until("the pod to end", async () => (await status("ordered")).phase === "Succeeded");
  expect(await playground.run("logs", "ordered", "-c", "sidecar")).toBe("first\nsidecar\nsecond\nmain\nsidecar-ends\n");
});

test("a container that fails is started again with CrashLoopBackOff, and its previous log is kept", async () => {
  await playground.apply(pod("crashing", { containers: [container("c", "echo run; exit 7")] }));
  const crashed = await until("two restarts", async () => {
    const [only] = (await status("crashing")).containerStatuses;
    return only && only.restartCount >= 2 && only.state.waiting?.reason === "CrashLoopBackOff" && only;
  });
  expect(crashed.lastState.terminated).toMatchObject({ exitCode: 7, reason: "Error" });
  expect(await playground.run("logs", "crashing", "--previous")).toBe("run\n");
  await playground.run("delete", "pod", "crashing", "--now");
});

test("restartPolicy OnFailure starts failed containers only; Never none", async () => {
  const script = "if [ -f /s/once ]; then exit 0; fi; touch /s/once; exit 1";
  const volumes = [{ name: "s", emptyDir: {} }];
  const containers = [container("c", script, { volumeMounts: [{ name: "s", mountPath: "/s" }] })];
  await playground.apply(
    pod("on-failure", { restartPolicy: "OnFailure", volumes, containers }),
    pod("never", { restartPolicy: "Never", volumes, containers }),
  );
  const both = await until("both to end", async () => {
    const [onFailure, never] = await Promise.all([status("on-failure"), status("never")]);
    return onFailure.phase === "Succeeded" && never.phase === "Failed" && [onFailure, never];
  });
  expect(both.map((one) => one.containerStatuses[0]!.restartCount)).toEqual([1, 0]);
});

test("readiness follows its probe, and a liveness failure restarts the container", async () => {
  const probes = {
    readinessProbe: { exec: { command: ["test", "-f", "/tmp/ready"] }, periodSeconds: 1, failureThreshold: 1 },
    livenessProbe: { exec: { command: ["test", "!", "-f", "/tmp/dead"] }, periodSeconds: 1, failureThreshold: 1 },
  };
  await playground.apply(pod("probed", { containers: [container("c", "touch /tmp/ready; sleep 100000", probes)] }));
  const isReady = async (): Promise<boolean> =>
    (await status("probed")).conditions?.find((c) => c.type === "Ready")?.status === "True";
  await until("ready", isReady);
  await playground.run("exec", "probed", "--", "rm", "/tmp/ready");
  await until("not ready", async () => !(await isReady()));
  await playground.run("exec", "probed", "--", "touch", "/tmp/dead");
  await until(
    "a restart",
    async () => (await status("probed")).containerStatuses[0]!.restartCount === 1 && (await isReady()),
  );
  const events = await playground.run(
    "get",
    "events",
    "--field-selector=involvedObject.name=probed",
    "-o",
    "jsonpath={.items[*].reason}",
  );
  expect(events).toContain("Unhealthy");
  await playground.run("delete", "pod", "probed", "--now");
});

test("a deleted pod gets preStop, then SIGTERM, then goes; SIGKILL comes when its time is up", async () => {
  const share = { name: "s", configMap: { name: "kube-root-ca.crt" } };
  const polite = container("c", "trap 'echo asked; exit 0' TERM; while true; do sleep 0.02; done", {
    lifecycle: { preStop: { exec: { command: ["sh", "-c", "echo pre-stop > /proc/1/fd/1"] } } },
  });
  await playground.apply(pod("polite", { volumes: [share], containers: [polite], terminationGracePeriodSeconds: 30 }));
  await playground.run("wait", "pod/polite", "--for=condition=Ready", "--timeout=20s");
  const follow = playground.run("logs", "-f", "polite");
  await playground.run("delete", "pod", "polite", "--timeout=10s"); // far less than its grace
  expect(await follow).toBe("pre-stop\nasked\n");
  await playground.apply(
    pod("stubborn", { containers: [container("c", "trap '' TERM; while true; do sleep 0.1; done")] }),
  );
  await playground.run("wait", "pod/stubborn", "--for=condition=Ready", "--timeout=20s");
  await playground.run("delete", "pod", "stubborn", "--timeout=10s"); // its grace is one second
  expect((await playground.kubectl(["get", "pod", "stubborn"])).err).toContain("NotFound");
});

test("kubectl exec, logs and port-forward work", async () => {
  await playground.apply(
    pod("tools", {
      containers: [
        {
          name: "c",
          image: "none",
          command: [
            bun,
            "-e",
            "console.log('up'); process.on('SIGTERM', () => process.exit(0)); Bun.serve({ hostname: '127.0.0.1', port: 9000, fetch: () => new Response('loopback') });",
          ],
        },
      ],
    }),
  );
  await playground.run("wait", "pod/tools", "--for=condition=Ready", "--timeout=20s");
  const ran = await playground.kubectl(
    ["exec", "-i", "tools", "--", "sh", "-c", "cat; id -u; hostname; echo oops >&2; exit 5"],
    "input\n",
  );
  expect(ran.code).toBe(5);
  expect(ran.out).toBe("input\n0\ntools\n");
  expect(ran.err).toContain("oops");
  await until("the log", async () => (await playground.run("logs", "tools", "--tail=1")) === "up\n");
  expect(await playground.run("logs", "tools", "--timestamps")).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z up\n$/);
  const forward = Bun.spawn([kubectlPath(), "port-forward", "pod/tools", ":9000"], {
    env: { ...process.env, KUBECONFIG: playground.kubeconfig },
    stdout: "pipe",
    stderr: "inherit",
  });
  const { value } = await forward.stdout.getReader().read();
  const port = /127\.0\.0\.1:(\d+)/.exec(new TextDecoder().decode(value))![1];
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("loopback"); // a server that no other pod can reach
  forward.kill();
  await forward.exited;
});

test("environment, volumes and the service account look as on a cluster", async () => {
  await playground.apply(
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" }, data: { color: "blue", shape: "round" } },
    { apiVersion: "v1", kind: "Secret", metadata: { name: "hidden" }, stringData: { word: "xyzzy" } },
  );
  const env = [
    { name: "COLOR", valueFrom: { configMapKeyRef: { name: "settings", key: "color" } } },
    { name: "WORD", valueFrom: { secretKeyRef: { name: "hidden", key: "word" } } },
    { name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
    { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
    { name: "ALL", value: "$(COLOR)-$(WORD)-$(UNKNOWN)-$$(COLOR)" },
  ];
  const script = [
    "echo $COLOR $WORD $ALL $CPU",
    '[ "$POD_IP" = "$(hostname -i 2>/dev/null | cut -d" " -f1 || echo $POD_IP)" ] && echo ip',
    "cat /settings/shape; echo; cat /one; echo; cat /info/labels; echo; stat -Lc %a /hidden/word",
    "cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo",
    'S=/var/run/secrets/kubernetes.io/serviceaccount; curl -sS --cacert $S/ca.crt -H "Authorization: Bearer $(cat $S/token)" https://kubernetes.default/version | grep -c gitVersion',
    "touch /settings/x 2>/dev/null || echo read-only; touch /usr/gone && rm -rf /etc/hostname && echo own",
  ].join("; ");
  const said = await runInPod("look", "", {
    containers: [
      {
        ...container("run", script, { resources: { limits: { cpu: "1500m" } }, env }),
        volumeMounts: [
          { name: "settings", mountPath: "/settings" },
          { name: "settings", mountPath: "/one", subPath: "color" },
          { name: "hidden", mountPath: "/hidden" },
          { name: "info", mountPath: "/info" },
        ],
      },
    ],
    volumes: [
      { name: "settings", configMap: { name: "settings" } },
      { name: "hidden", secret: { secretName: "hidden", defaultMode: 0o400 } },
      { name: "info", downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.namespace" } }] } },
    ],
  });
  expect(said).toContain("blue xyzzy blue-xyzzy-$(UNKNOWN)-$(COLOR) 2\n");
  expect(said).toContain("round\nblue\ndefault\n400\ndefault\n1\nread-only\nown\n");
});

test("a mounted ConfigMap follows its object in one step", async () => {
  await playground.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "live" }, data: { a: "1", b: "1" } });
  await playground.apply(
    pod("reader", {
      containers: [container("c", "sleep 100000", { volumeMounts: [{ name: "v", mountPath: "/v" }] })],
      volumes: [{ name: "v", configMap: { name: "live" } }],
    }),
  );
  await playground.run("wait", "pod/reader", "--for=condition=Ready", "--timeout=20s");
  await playground.apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "live" }, data: { a: "2", c: "2" } });
  await until(
    "the new content",
    async () =>
      (await playground.run("exec", "reader", "--", "sh", "-c", "cd /v; echo *; cat a c 2>/dev/null")) === "a c\n22",
  );
  await playground.run("delete", "pod", "reader", "--now");
});

test("security contexts hold: user, read-only files, no privileges, added capabilities", async () => {
  const script =
    "id -u; touch /usr/x 2>/dev/null || echo sealed; touch /tmp/x 2>/dev/null || echo sealed; grep -E 'CapEff|NoNewPrivs' /proc/self/status | tr -d '\\t'";
  const securityContext = {
    runAsUser: 2102,
    runAsNonRoot: true,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"], add: ["NET_ADMIN"] },
  };
  expect(await runInPod("secure", "", { containers: [container("run", script, { securityContext })] })).toBe(
    "2102\nsealed\nsealed\nCapEff:0000000000001000\nNoNewPrivs:1\n",
  );
  await playground.apply(
    pod("rooted", { containers: [container("c", "true", { securityContext: { runAsNonRoot: true } })] }),
  );
  await until(
    "the refusal",
    async () => (await status("rooted")).containerStatuses[0]!.state.waiting?.reason === "CreateContainerConfigError",
  );
  await playground.run("delete", "pod", "rooted", "--now");
});

test("an unknown image without a command says what to do", async () => {
  await playground.apply(pod("unknown", { containers: [{ name: "c", image: "example/unknown:1" }] }));
  const waiting = await until("the refusal", async () => {
    const found = (await status("unknown")).containerStatuses?.[0]?.state.waiting;
    return found?.message ? found : undefined;
  });
  expect(waiting).toMatchObject({ reason: "ErrImagePull" });
  expect(waiting.message).toContain('give the container a "command:"');
  await playground.run("delete", "pod", "unknown", "--now");
});

test("termination messages come from the file, or from the log when asked", async () => {
  const containers = [
    container("file", "printf because > /dev/termination-log; exit 3"),
    container("log", "echo last words; exit 4", { terminationMessagePolicy: "FallbackToLogsOnError" }),
  ];
  await playground.apply(pod("words", { restartPolicy: "Never", containers }));
  await until("the end", async () => (await status("words")).phase === "Failed");
  const messages = (await status("words")).containerStatuses.map((one) => one.state.terminated?.message);
  expect(messages).toEqual(["because", "last words\n"]);
});

test("headless Services answer with addresses and SRV records whose targets resolve", async () => {
  await playground.apply(
    ...web("flat", "x").map((object) =>
      "kind" in object && object.kind === "Service"
        ? { ...object, spec: { ...(object as unknown as { spec: object }).spec, clusterIP: "None" } }
        : object,
    ),
  );
  await playground.run("rollout", "status", "deployment/flat", "--timeout=20s");
  const script = `const dns = require("node:dns").promises; const r = new dns.Resolver(); r.setServers(["10.96.0.10"]);
    const name = "flat.default.svc.cluster.local";
    const srv = await r.resolveSrv(name); const byPort = await r.resolveSrv("_http._tcp." + name);
    const a = (await r.resolve4(name)).sort(); const targets = (await Promise.all(srv.map((s) => r.resolve4(s.name)))).flat().sort();
    const ptr = await r.reverse(a[0]);
    console.log(JSON.stringify({ srv: srv.length, byPort: byPort.length, port: srv[0].port, encoded: srv.every((s) => /^\\d+-\\d+-\\d+-\\d+\\.flat\\.default\\.svc\\.cluster\\.local$/.test(s.name)), same: JSON.stringify(a) === JSON.stringify(targets), ptr: ptr.every((p) => p.endsWith("." + name)) }));`;
  const said = await runInPod("asker", "", {
    containers: [{ name: "run", image: "none", command: [bun, "-e", script] }],
  });
  expect(JSON.parse(said)).toEqual({ srv: 2, byPort: 2, port: 8080, encoded: true, same: true, ptr: true });
});
