import { afterAll, beforeAll, expect, test } from "bun:test";
import { expecting, type KubectlServer, startKubectlServer } from "./kubectl-server.ts";

let cluster: KubectlServer;
beforeAll(async () => {
  cluster = await startKubectlServer();
  await cluster.kubectl("create serviceaccount default");
});
afterAll(() => cluster.close());

const { ok, fails } = expecting(() => cluster);

const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "web:1", ports: [{containerPort: 80}], env: [{name: A, value: b}]}
      - {name: side, image: "side:1"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, name: http}]
`;

test("apply creates, then finds nothing to change, then changes what differs", async () => {
  expect(await ok("apply -f -", WEB)).toBe("deployment.apps/web created\nservice/web created\n");
  expect(await ok("apply -f -", WEB)).toBe("deployment.apps/web unchanged\nservice/web unchanged\n");
  const changed = WEB.replace("web:1", "web:2").replace(/^ *- \{name: side.*\n/m, "");
  expect(await ok("apply -f -", changed)).toContain("deployment.apps/web configured");
  const names = await ok("get deploy web -o jsonpath={.spec.template.spec.containers[*].name}");
  const images = await ok("get deploy web -o jsonpath={.spec.template.spec.containers[*].image}");
  expect([names, images]).toEqual(["web", "web:2"]);
  expect(await ok("get deploy web -o jsonpath={.metadata.generation}")).toBe("2");
});

test("get prints the columns people know, and more with -o wide", async () => {
  const [head, row] = (await ok("get deployments -o wide")).split("\n");
  expect(head!.split(/\s{2,}/)).toEqual([
    "NAME",
    "READY",
    "UP-TO-DATE",
    "AVAILABLE",
    "AGE",
    "CONTAINERS",
    "IMAGES",
    "SELECTOR",
  ]);
  expect(row!.split(/\s{2,}/)).toEqual([
    "web",
    "0/2",
    "0",
    "0",
    expect.stringMatching(/^\d+s$/),
    "web",
    "web:2",
    "app=web",
  ]);
  expect((await ok("get svc web")).split("\n")[1]).toMatch(/^web +ClusterIP +10\.96\.\d+\.\d+ +<none> +80\/TCP/);
});

test("defaults that Kubernetes fills in are there", async () => {
  const deployment = JSON.parse(await ok("get deploy web -o json"));
  expect(deployment.spec.strategy).toEqual({
    type: "RollingUpdate",
    rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" },
  });
  expect(deployment.spec.template.spec.restartPolicy).toBe("Always");
  expect(deployment.spec.template.spec.containers[0].imagePullPolicy).toBe("IfNotPresent");
  expect(deployment.spec.template.spec.containers[0].ports).toEqual([{ containerPort: 80, protocol: "TCP" }]);
  const service = JSON.parse(await ok("get svc web -o json"));
  expect(service.spec.ports).toEqual([{ name: "http", port: 80, protocol: "TCP", targetPort: 80 }]);
});

test("server-side apply names what others own, and takes it when forced", async () => {
  await ok("scale deploy/web --replicas=5");
  const refusal = await fails("apply --server-side -f -", WEB);
  expect(refusal).toContain('conflicts with "kubectl" with subresource "scale"');
  expect(refusal).toContain(".spec.replicas");
  await ok("apply --server-side --force-conflicts -f -", WEB);
  expect(await ok("get deploy web -o jsonpath={.spec.replicas}")).toBe("2");
});

test("server-side apply removes what its owner no longer sets", async () => {
  const config = (data: string) => `{apiVersion: v1, kind: ConfigMap, metadata: {name: owned}, data: {${data}}}`;
  await ok("apply --server-side --field-manager=one -f -", config("a: '1', b: '2'"));
  await ok("apply --server-side --field-manager=two -f -", config("b: '2', c: '3'"));
  await ok("apply --server-side --field-manager=one -f -", config("a: '1'"));
  expect(JSON.parse(await ok("get cm owned -o jsonpath={.data}"))).toEqual({ a: "1", b: "2", c: "3" });
  await ok("apply --server-side --field-manager=two -f -", config("c: '3'"));
  expect(JSON.parse(await ok("get cm owned -o jsonpath={.data}"))).toEqual({ a: "1", c: "3" });
});

test("patches of all types, labels and annotations do what they say", async () => {
  await ok("label deploy web tier=front");
  await ok("annotate deploy web note=hello");
  await ok("set image deploy/web side=side:9");
  await ok(
    'patch deploy web -p {"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"B","value":"c"}]}]}}}}',
  );
  await ok('patch deploy web --type=json -p [{"op":"replace","path":"/spec/replicas","value":4}]');
  await ok('patch deploy web --type=merge -p {"metadata":{"annotations":{"note":null}}}');
  const deployment = JSON.parse(await ok("get deploy web -o json"));
  expect(deployment.metadata.labels).toEqual({ app: "web", tier: "front" });
  expect(deployment.metadata.annotations.note).toBeUndefined();
  expect(deployment.spec.replicas).toBe(4);
  const [web, side] = deployment.spec.template.spec.containers;
  expect([web.env.map((env: { name: string }) => env.name).sort(), side.image]).toEqual([["A", "B"], "side:9"]);
});

test("diff shows a change and writes nothing", async () => {
  const before = await ok("get deploy web -o jsonpath={.metadata.resourceVersion}");
  const result = await cluster.kubectl("diff -f -", WEB.replace("replicas: 2", "replicas: 7"));
  expect(result.code).toBe(1);
  expect(result.out).toContain("+  replicas: 7");
  expect(await ok("get deploy web -o jsonpath={.metadata.resourceVersion}")).toBe(before);
});

test("unknown and wrongly typed fields are refused", async () => {
  expect(await fails("apply -f -", WEB.replace("image:", "imag:"))).toContain(
    'strict decoding error: unknown field "spec.template.spec.containers[0].imag"',
  );
  const typed = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":5}}';
  expect(await fails("create -f -", typed)).toContain(
    "cannot unmarshal number into Go struct field data.a of type string",
  );
});

test("objects that make no sense are refused with the field that is wrong", async () => {
  const pod = (spec: string) => `{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: ${spec}}`;
  expect(await fails("create -f -", pod("{containers: []}"))).toContain("spec.containers: Required value");
  expect(await fails("create -f -", pod("{containers: [{name: A_, image: x}]}"))).toContain(
    "spec.containers[0].name: Invalid value",
  );
  expect(await fails("create configmap UPPER")).toContain("metadata.name: Invalid value");
  expect(await fails("create -f - -n nowhere", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")).toContain(
    'namespaces "nowhere" not found',
  );
});

test("a pod gets its service account's token, CA and namespace", async () => {
  await ok("run one --image=x");
  const pod = JSON.parse(await ok("get pod one -o json"));
  const [volume] = pod.spec.volumes;
  expect(volume.projected.sources.map((source: object) => Object.keys(source)[0])).toEqual([
    "serviceAccountToken",
    "configMap",
    "downwardAPI",
  ]);
  expect(pod.spec.containers[0].volumeMounts).toEqual([
    { name: volume.name, readOnly: true, mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" },
  ]);
  expect(await ok("delete pod one")).toContain('pod "one" deleted');
});

test("delete waits until finalizers are worked off", async () => {
  await ok("create -f -", "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [example.com/hold]}}");
  const deleting = ok("delete cm held");
  const client = cluster.server.client("test");
  const released = new Promise<void>((resolve) => {
    const stop = client.watch("configmaps", { fieldSelector: "metadata.name=held" }, ({ object }) => {
      if (!object.metadata.deletionTimestamp || !object.metadata.finalizers) return;
      resolve(
        client
          .patch("configmaps", "default", "held", { metadata: { finalizers: null } }, { type: "merge" })
          .then(() => stop()),
      );
    });
  });
  await released;
  expect(await deleting).toContain('configmap "held" deleted');
  expect(await fails("get cm held")).toContain('configmaps "held" not found');
});

test("roles decide what a service account may do, and its token proves who it is", async () => {
  await ok("create serviceaccount bob");
  const as = "--as=system:serviceaccount:default:bob";
  expect(await fails(`get pods ${as}`)).toContain(
    'pods is forbidden: User "system:serviceaccount:default:bob" cannot list resource "pods" in API group "" in the namespace "default"',
  );
  await ok("create role reader --verb=get,list --resource=pods");
  await ok("create rolebinding reader --role=reader --serviceaccount=default:bob");
  expect(await ok(`auth can-i list pods ${as}`)).toBe("yes\n");
  expect((await cluster.kubectl(`auth can-i delete pods ${as}`)).out).toBe("no\n");
  expect((await cluster.kubectl(`auth can-i list pods -n kube-system ${as}`)).out).toBe("no\n");
  const token = (await ok("create token bob --duration=20m")).trim();
  // the admin's certificate would win over the token, so the token goes without it
  const url = await ok("config view --minify -o jsonpath={.clusters[0].cluster.server}");
  const ask = (bearer: string) =>
    fetch(`${url}/api/v1/namespaces/default/pods`, {
      headers: { authorization: `Bearer ${bearer}` },
      tls: { ca: cluster.server.caPem },
    } as RequestInit);
  expect((await ask(token)).status).toBe(200);
  expect((await ask(`${token.slice(0, -4)}AAAA`)).status).toBe(401);
  await ok("delete serviceaccount bob");
  expect((await ask(token)).status).toBe(401);
});

test("aggregated roles add up", async () => {
  const as = "--as=carol";
  await ok("create clusterrolebinding carol --clusterrole=admin --user=carol");
  expect(await ok(`auth can-i create deployments ${as}`)).toBe("yes\n");
  expect((await cluster.kubectl(`auth can-i create leases.coordination.k8s.io ${as}`)).out).toBe("no\n");
  const role = `{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: lessors,
    labels: {rbac.authorization.k8s.io/aggregate-to-admin: "true"}}, rules: [{apiGroups: [coordination.k8s.io], resources: [leases], verbs: ["*"]}]}`;
  await ok("apply -f -", role);
  expect((await cluster.kubectl(`auth can-i create leases.coordination.k8s.io ${as}`)).out).toBe("yes\n");
});

test.each([
  ["namespace made", "namespaces/made", { kind: "Namespace" }],
  ["secret generic s --from-literal=a=b", "secrets/s", { type: "Opaque", data: { a: "Yg==" } }],
  ["serviceaccount acc", "serviceaccounts/acc", {}],
  ["deployment made --image=m:1 --replicas=3 --port=8080", "deployments/made", { spec: { replicas: 3 } }],
  ["job made --image=m:1 -- run it", "jobs/made", { spec: { template: { spec: { restartPolicy: "Never" } } } }],
  ["service clusterip made --tcp=80:8080", "services/made", { spec: { ports: [{ port: 80, targetPort: 8080 }] } }],
  ["service nodeport made2 --tcp=80", "services/made2", { spec: { type: "NodePort" } }],
  [
    "clusterrole made --verb=get --resource=pods",
    "clusterroles/made",
    { rules: [{ verbs: ["get"], resources: ["pods"] }] },
  ],
  ["poddisruptionbudget made --selector=a=b --min-available=50%", "pdb/made", { spec: { minAvailable: "50%" } }],
  ["priorityclass made --value=5", "priorityclasses/made", { value: 5 }],
  ["quota made --hard=pods=3", "quota/made", { spec: { hard: { pods: "3" } } }],
])("create %s sends protobuf and is understood", async (args, object, expected) => {
  await ok(`create ${args}`);
  expect(JSON.parse(await ok(`get ${object} -o json`))).toMatchObject(expected);
});

test("whoami, api-resources and explain answer", async () => {
  expect(await ok("auth whoami")).toContain("kubernetes-admin");
  const resources = await ok("api-resources --no-headers");
  expect(resources).toMatch(/^deployments +deploy +apps\/v1 +true +Deployment$/m);
  const explained = await ok("explain deployment.spec.strategy.rollingUpdate");
  expect(explained).toContain("FIELD: rollingUpdate <RollingUpdateDeployment>");
  expect(explained).toContain("maxSurge");
});

test("a watch shows arrivals at and departures from a selector", async () => {
  const client = cluster.server.client("test");
  const watching = cluster.kubectl("get cm -l color=red -w -o name --request-timeout=3s");
  await ok("create cm leaf");
  await ok("label cm leaf color=red");
  await client.patch("configmaps", "default", "leaf", { data: { a: "b" } }, { type: "merge" });
  await ok("delete cm leaf");
  const lines = (await watching).out.trim().split("\n");
  expect(lines).toEqual(["configmap/leaf", "configmap/leaf", "configmap/leaf"]);
});

test("events and pages are listed as asked", async () => {
  for (const name of ["a", "b", "c"]) await ok(`create cm page-${name}`);
  const all = await ok("get cm --chunk-size=1 -o name");
  expect(all.split("\n").filter((line) => line.includes("page-"))).toEqual([
    "configmap/page-a",
    "configmap/page-b",
    "configmap/page-c",
  ]);
  expect(await ok("get cm --field-selector=metadata.name=page-b -o name")).toBe("configmap/page-b\n");
});
