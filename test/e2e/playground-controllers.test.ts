import { afterAll, beforeAll, expect, test } from "bun:test";
import { TestPlayground, until } from "../support/playground.ts";

let playground: TestPlayground;
beforeAll(async () => {
  playground = await TestPlayground.start("controllers");
  await playground.run("create", "namespace", "work");
});
afterAll(async () => {
  await playground.stop();
});

const work = (...args: string[]): Promise<string> => playground.run("-n", "work", ...args);

function template(labels: Record<string, string>, command: string[], more: object = {}): object {
  return {
    metadata: { labels },
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: "c", image: "none", command }], ...more },
  };
}

function object(apiVersion: string, kind: string, name: string, spec: object): object {
  return { apiVersion, kind, metadata: { name, namespace: "work" }, spec };
}

const isGone = async (...what: string[]): Promise<boolean> =>
  (await playground.kubectl(["-n", "work", "get", ...what])).err.includes("NotFound");

test("a Job runs to its completions, and a failing one to its limit", async () => {
  await playground.apply(
    object("batch/v1", "Job", "three", {
      completions: 3,
      parallelism: 2,
      template: template({}, ["true"], { restartPolicy: "Never" }),
    }),
    object("batch/v1", "Job", "bad", {
      backoffLimit: 0,
      template: template({}, ["false"], { restartPolicy: "Never" }),
    }),
  );
  await work("wait", "job/three", "--for=condition=Complete", "--timeout=20s");
  await work("wait", "job/bad", "--for=condition=Failed", "--timeout=20s");
  expect(await work("get", "job", "three", "-o", "jsonpath={.status.succeeded}")).toBe("3");
});

test("a StatefulSet's pods come in order, keep their names and are found by them", async () => {
  const labels = { app: "db" };
  await playground.apply(
    object("v1", "Service", "db", { clusterIP: "None", selector: labels, ports: [{ port: 80 }] }),
    object("apps/v1", "StatefulSet", "db", {
      serviceName: "db",
      replicas: 3,
      selector: { matchLabels: labels },
      template: template(labels, ["sleep", "100000"]),
    }),
  );
  await work("rollout", "status", "statefulset/db", "--timeout=20s");
  const names = await work("get", "pods", "-l", "app=db", "-o", "jsonpath={.items[*].metadata.name}");
  expect(names).toBe("db-0 db-1 db-2");
  expect(await work("exec", "db-0", "--", "getent", "hosts", "db-2.db")).toContain("db-2.db.work.svc.cluster.local");
  await work("scale", "statefulset/db", "--replicas=1");
  await until("the higher pods to go", async () => (await isGone("pod", "db-2")) && (await isGone("pod", "db-1")));
  expect(await isGone("pod", "db-0")).toBe(false);
});

test("a DaemonSet has one pod on the node, and a changed template replaces it", async () => {
  const labels = { app: "agent" };
  await playground.apply(
    object("apps/v1", "DaemonSet", "agent", {
      selector: { matchLabels: labels },
      template: template(labels, ["sleep", "100000"]),
    }),
  );
  await work("rollout", "status", "daemonset/agent", "--timeout=20s");
  const first = await work("get", "pods", "-l", "app=agent", "-o", "name");
  await work("rollout", "restart", "daemonset/agent");
  await work("rollout", "status", "daemonset/agent", "--timeout=20s");
  expect(await work("get", "pods", "-l", "app=agent", "-o", "name")).not.toBe(first);
});

test("background, foreground and orphan deletion do what they say", async () => {
  for (const name of ["back", "fore", "orphan"])
    await work(
      "create",
      "deployment",
      name,
      "--image=none",
      "--",
      "sh",
      "-c",
      "trap 'exit 0' TERM; while true; do sleep 0.05; done",
    );
  for (const name of ["back", "fore", "orphan"]) await work("rollout", "status", `deployment/${name}`, "--timeout=20s");
  const podsOf = (name: string): Promise<string> => work("get", "pods", "-l", `app=${name}`, "-o", "name");
  await work("delete", "deployment", "fore", "--cascade=foreground", "--timeout=20s");
  expect(await podsOf("fore")).toBe(""); // gone before the owner
  await work("delete", "deployment", "back");
  await until("the pods to follow", async () => (await podsOf("back")) === "");
  await work("delete", "deployment", "orphan", "--cascade=orphan");
  const owners = await work(
    "get",
    "replicasets",
    "-l",
    "app=orphan",
    "-o",
    "jsonpath={.items[*].metadata.ownerReferences}",
  );
  expect([owners, (await podsOf("orphan")) !== ""]).toEqual(["", true]);
});

test("a cordoned node takes no new pods until it is open again", async () => {
  await playground.run("cordon", "playground");
  await work("run", "waiting", "--image=none", "--command", "--", "sleep", "100000");
  await until("the reason", async () =>
    (
      await work("get", "events", "--field-selector=involvedObject.name=waiting", "-o", "jsonpath={.items[*].reason}")
    ).includes("FailedScheduling"),
  );
  await playground.run("uncordon", "playground");
  await work("wait", "pod/waiting", "--for=condition=Ready", "--timeout=20s");
  await work("delete", "pod", "waiting", "--now");
});

test("every namespace has its account and the API's authority; deleting one takes everything in it", async () => {
  expect(await work("get", "serviceaccount/default", "configmap/kube-root-ca.crt", "-o", "name")).toBe(
    "serviceaccount/default\nconfigmap/kube-root-ca.crt\n",
  );
  await playground.run("delete", "namespace", "work", "--timeout=30s");
  expect(await playground.run("get", "pods,deployments,jobs,secrets,configmaps", "-n", "work", "-o", "name")).toBe("");
});
