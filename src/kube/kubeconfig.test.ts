import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "#lib/clock";
import type { RunPlugin } from "./exec-credential.ts";
import { inCluster } from "./in-cluster.ts";
import { fromKubeconfig, kubeconfigContexts } from "./kubeconfig.ts";

const directory = mkdtempSync(join(tmpdir(), "kubeconfig-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

/** Runs a plugin as the command line does. */
const runPlugin: RunPlugin = async (command, args, env) => {
  const plugin = Bun.spawn([command, ...args], { env: { ...process.env, ...env }, stderr: "pipe" });
  const [output, errors] = await Promise.all([new Response(plugin.stdout).text(), new Response(plugin.stderr).text()]);
  if ((await plugin.exited) !== 0) throw new Error(errors.trim());
  return output;
};

function config(user: object, more: object = {}): string {
  return JSON.stringify({
    "current-context": "dev",
    clusters: [
      {
        name: "c",
        cluster: { server: "https://api.example:6443/", "certificate-authority-data": btoa("CA PEM"), ...more },
      },
    ],
    users: [{ name: "u", user }],
    contexts: [
      { name: "dev", context: { cluster: "c", user: "u", namespace: "shop" } },
      { name: "anonymous", context: { cluster: "c", user: "nobody" } },
    ],
  });
}

test("a kubeconfig names the server, its CA, the namespace and a token", async () => {
  const cluster = fromKubeconfig({ path: file("token", config({ token: "t0" })) });
  expect(cluster).toMatchObject({
    server: "https://api.example:6443",
    ca: "CA PEM",
    namespace: "shop",
    context: "dev",
  });
  expect(await cluster.credentials()).toMatchObject({ authorization: "Bearer t0" });
});

test("a context and a server can be chosen, and a context without a user is anonymous", async () => {
  const path = file("contexts", config({ token: "t0" }));
  const cluster = fromKubeconfig({ path, context: "anonymous", server: "https://127.0.0.1:1" });
  expect(cluster).toMatchObject({ server: "https://127.0.0.1:1", namespace: "default" });
  expect(await cluster.credentials()).toEqual({});
  expect(kubeconfigContexts({ path })).toEqual({ current: "dev", names: ["dev", "anonymous"] });
  expect(() => fromKubeconfig({ path, context: "prod" })).toThrow(
    'context "prod": it is not defined (contexts: dev, anonymous)',
  );
});

test("certificates come from files beside the kubeconfig, or inline", async () => {
  file("user.crt", "CERT");
  file("user.key", "KEY");
  file("ca.crt", "CA FILE");
  const more = { "certificate-authority-data": "", "certificate-authority": "ca.crt" };
  const path = file("files", config({ "client-certificate": "user.crt", "client-key": "user.key" }, more));
  const cluster = fromKubeconfig({ path });
  expect(cluster.ca).toBe("CA FILE");
  expect((await cluster.credentials()).certificate).toEqual({ cert: "CERT", key: "KEY" });
});

test("of several files the first mention wins, and KUBECONFIG is read through the given reader", () => {
  const first = file("first", JSON.stringify({ "current-context": "anonymous" }));
  const second = file("second", config({ token: "t0" }));
  const env = (name: string) =>
    name === "KUBECONFIG" ? `${first}:${join(directory, "missing")}:${second}` : undefined;
  expect(fromKubeconfig({ env }).context).toBe("anonymous");
  expect(() => fromKubeconfig({ path: join(directory, "missing") })).toThrow("no such file; pass --kubeconfig");
});

test("a token file is read again after a minute, and its last good content is kept", async () => {
  const path = file("rotating", "one\n");
  const clock = new FakeClock(0);
  const cluster = fromKubeconfig({ text: config({ tokenFile: path }), clock });
  const token = async () => (await cluster.credentials()).authorization;
  expect(await token()).toBe("Bearer one");
  writeFileSync(path, "two");
  expect(await token()).toBe("Bearer one");
  clock.advance(60_000);
  expect(await token()).toBe("Bearer two");
  rmSync(path);
  clock.advance(60_000);
  expect(await token()).toBe("Bearer two");
});

test("a credential plugin runs, and its credential is kept until it expires", async () => {
  const counter = file("count", "");
  const script = `echo x >> ${counter}; test -n "$KUBERNETES_EXEC_INFO" && echo '{"status":{"token":"'$NAME'","expirationTimestamp":"1970-01-01T01:00:00Z"}}'`;
  const exec = { command: "sh", args: ["-c", script], env: [{ name: "NAME", value: "fresh" }] };
  const clock = new FakeClock(0);
  const cluster = fromKubeconfig({ text: config({ exec }), clock, runPlugin });
  expect((await cluster.credentials()).authorization).toBe("Bearer fresh");
  await cluster.credentials();
  expect(await Bun.file(counter).text()).toBe("x\n");
  clock.advance(59.5 * 60_000);
  await cluster.credentials();
  expect(await Bun.file(counter).text()).toBe("x\nx\n");
});

test("a plugin that fails or answers nonsense is named, with its hint", async () => {
  const asked = (args: string[]) =>
    fromKubeconfig({
      text: config({ exec: { command: "sh", args, installHint: "install it" } }),
      runPlugin,
    }).credentials();
  await expect(asked(["-c", "echo no luck >&2; exit 3"])).rejects.toThrow(/plugin "sh": no luck; install it/);
  await expect(asked(["-c", "echo secret"])).rejects.toThrow("wanted an ExecCredential with a token or a certificate");
});

test("in a pod, the ServiceAccount's files and the environment say where to go", async () => {
  expect(() => inCluster({ directory: join(directory, "nowhere") })).toThrow("run in a pod with a ServiceAccount");
  file("token", "sa-token");
  const cluster = inCluster({
    directory,
    env: (name) => ({ KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" })[name],
  });
  expect(cluster.server).toBe("https://[fd00::1]:443");
  expect(await cluster.credentials()).toEqual({ authorization: "Bearer sa-token" });
  expect(inCluster({ directory }).server).toBe("https://kubernetes.default.svc");
});
