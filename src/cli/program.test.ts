import { afterEach, expect, test } from "bun:test";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { VERSION } from "#contracts/version";
import { CliBench } from "../../test/support/cli.ts";
import { KubeApi } from "../../test/support/kube-api.ts";
import { COMMANDS, firstWord } from "./program.ts";

const benches: CliBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.close();
});

function start(api?: KubeApi): CliBench {
  const bench = new CliBench(api);
  benches.push(bench);
  return bench;
}

test("the first word is the command, whatever flags stand before it", () => {
  expect(firstWord(["-L", "mesh", "--verbose", "check"])).toBe("check");
  expect(firstWord(["--linkerd-namespace=mesh", "check"])).toBe("check");
  expect(firstWord(["--help"])).toBeUndefined();
});

test("help shows examples first and every command", async () => {
  const { code, out } = await start().run(["--help"]);
  expect(code).toBe(0);
  expect(out.startsWith("Examples:\n")).toBe(true);
  for (const { name } of COMMANDS) expect(out).toMatch(new RegExp(`^  ${name}`, "m"));
});

for (const { name } of COMMANDS) {
  test(`linkerd ${name} --help shows examples first and the global flags last`, async () => {
    const { code, out } = await start().run([name, "--help"]);
    expect(code).toBe(0);
    expect(out.startsWith("Examples:\n  ")).toBe(true);
    expect(out).toContain("--linkerd-namespace");
  });
}

test("a slip of the finger is met with a suggestion", async () => {
  const { code, err } = await start().run(["verison"]);
  expect(code).toBe(1);
  expect(err).toContain("unknown command 'verison'");
  expect(err).toContain("Did you mean version?");
});

test("an unknown flag is met with a suggestion", async () => {
  const { code, err } = await start().run(["check", "--proxi"]);
  expect(code).toBe(1);
  expect(err).toContain("Did you mean --proxy?");
});

test("a surplus argument is refused", async () => {
  const { code, err } = await start().run(["version", "now"]);
  expect(code).toBe(1);
  expect(err).toContain("too many arguments");
});

test("an executable on the PATH is an extension; its failure is ours", async () => {
  const bench = start();
  const seen = join(bench.directory, "seen");
  chmodSync(bench.write("linkerd-smi", `#!/bin/sh\necho "$@" > ${seen}\nexit 3\n`), 0o755);
  const PATH = `${bench.directory}:/usr/bin:/bin`;
  const { code, err } = await bench.run(["smi", "check", "--pre"], "", { PATH });
  expect([code, err]).toEqual([1, "exit status 3\n"]);
  expect(readFileSync(seen, "utf8")).toBe("check --pre\n");
  expect((await bench.run(["--verbose", "smi"], "", { PATH })).err).toContain(
    "Cannot accept flags before Linkerd extension name",
  );
});

test("version tells both sides; a cluster that is not there is unavailable, not an error", async () => {
  const api = await KubeApi.start();
  const bench = start(api);
  expect(await bench.run(["version", "--client", "--short"])).toEqual({ code: 0, out: `${VERSION}\n`, err: "" });
  expect((await bench.run(["version"])).out).toBe(`Client version: ${VERSION}\nServer version: unavailable\n`);
  const values = JSON.stringify({ linkerdVersion: "edge-1.2.3" });
  api.put("configmaps", { metadata: { name: "linkerd-config", namespace: "linkerd" }, data: { values } });
  expect((await bench.run(["version"])).out).toBe(`Client version: ${VERSION}\nServer version: edge-1.2.3\n`);
});

test("version --proxy counts the proxies of each version", async () => {
  const api = await KubeApi.start();
  const bench = start(api);
  for (const [name, tag] of [
    ["a", "edge-1"],
    ["b", "edge-1"],
    ["c", "edge-2"],
  ]) {
    api.put("pods", {
      metadata: { name: name!, namespace: "shop", labels: { "linkerd.io/control-plane-ns": "linkerd" } },
      spec: {
        initContainers: [{ name: "linkerd-proxy", image: `localhost:5000/linkerd-ts/proxy:${tag}` }],
        containers: [],
      },
    });
  }
  const { out } = await bench.run(["version", "--proxy"]);
  expect(out).toContain("Proxy versions:\n\tedge-1 (2 pods)\n\tedge-2 (1 pods)\n");
});

test("LINKERD_NAMESPACE counts while the flag does not", async () => {
  const api = await KubeApi.start();
  const bench = start(api);
  await bench.run(["version"], "", { LINKERD_NAMESPACE: "mesh" });
  await bench.run(["version", "-L", "other"], "", { LINKERD_NAMESPACE: "mesh" });
  expect(api.calls).toEqual([
    "GET /api/v1/namespaces/mesh/configmaps/linkerd-config",
    "GET /api/v1/namespaces/other/configmaps/linkerd-config",
  ]);
});

test("impersonation goes out as headers, and several groups are refused rather than dropped", async () => {
  const api = await KubeApi.start();
  const bench = start(api);
  let seen: (string | null)[] = [];
  api.onPost("selfsubjectaccessreviews", (body, request) => {
    seen = [request.headers.get("impersonate-user"), request.headers.get("impersonate-group")];
    return body;
  });
  api.fixed.set("/version", { gitVersion: "v1.32.0" });
  api.put("customresourcedefinitions", {
    metadata: { name: "httproutes.gateway.networking.k8s.io" },
    spec: { versions: [{ name: "v1", served: true }] },
  });
  api.put("customresourcedefinitions", {
    metadata: { name: "grpcroutes.gateway.networking.k8s.io" },
    spec: { versions: [{ name: "v1", served: true }] },
  });
  await bench.run(["check", "--pre", "--wait", "0", "--as", "ann", "--as-group", "dev"]);
  expect(seen).toEqual(["ann", "dev"]);
  const { out } = await bench.run([
    "check",
    "--pre",
    "--wait",
    "0",
    "--as",
    "ann",
    "--as-group",
    "a",
    "--as-group",
    "b",
  ]);
  expect(out).toContain("Cannot act as 2 groups");
});

test("completion knows bash, zsh and fish, and every command", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, out } = await start().run(["completion", shell]);
    expect(code).toBe(0);
    for (const { name } of COMMANDS) expect(out).toContain(name);
  }
  const { code, err } = await start().run(["completion", "tcsh"]);
  expect([code, err]).toEqual([1, "Error: unsupported shell type (must be bash, zsh or fish): tcsh\n"]);
});

test("the bash completion is taken by bash", async () => {
  const { out } = await start().run(["completion", "bash"]);
  const shell = Bun.spawnSync([
    "bash",
    "-c",
    `${out}\nCOMP_WORDS=(linkerd in); COMP_CWORD=1; _linkerd; echo "\${COMPREPLY[@]}"`,
  ]);
  expect(shell.stdout.toString()).toBe("inject install\n");
});

test("uninstall names what is labelled, and refuses while extensions or meshed pods are left", async () => {
  const api = await KubeApi.start();
  const bench = start(api);
  const labels = { "linkerd.io/control-plane-ns": "linkerd" };
  api.put("clusterroles", { metadata: { name: "linkerd-policy", labels } });
  api.put("roles", { metadata: { name: "remote-discovery", namespace: "linkerd", labels } });
  api.put("clusterroles", { metadata: { name: "someone-else" } });
  const { code, out } = await bench.run(["uninstall"]);
  expect(code).toBe(0);
  expect(out).toBe(
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: linkerd-policy\n---\n" +
      "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: remote-discovery\n  namespace: linkerd\n---\n",
  );
  api.put("namespaces", { metadata: { name: "linkerd-viz", labels: { "linkerd.io/extension": "viz" } } });
  api.put("pods", {
    metadata: { name: "web", namespace: "shop", labels },
    spec: { containers: [{ name: "linkerd-proxy" }] },
  });
  const refused = await bench.run(["uninstall"]);
  expect([refused.code, refused.out]).toEqual([1, ""]);
  expect(refused.err).toContain("\t* viz");
  expect(refused.err).toContain("\t* shop/web");
  expect((await bench.run(["uninstall", "--force"])).code).toBe(0);
});

test("uninstall passes over kinds that the cluster does not know, and nothing else", async () => {
  const api = await KubeApi.start();
  const bench = start(api);
  api.missing.add("apiservices");
  expect((await bench.run(["uninstall"])).code).toBe(0);
  api.authorization = "Bearer someone else";
  const { code, out, err } = await bench.run(["uninstall"]);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toContain("Unauthorized");
});

test("identity wants a pod or a selector, and says when nothing is meshed", async () => {
  const api = await KubeApi.start();
  const bench = start(api);
  expect((await bench.run(["identity"])).err).toContain("Provide the pod name argument or use the selector flag");
  expect((await bench.run(["identity", "deploy/web"])).err).toContain("may not contain '/'");
  expect((await bench.run(["identity", "web"])).err).toContain('pods "web" not found in the namespace shop');
  const { code, out } = await bench.run(["identity", "-l", "app=web"]);
  expect(code).toBe(0);
  expect(out).toContain("Ensure that the pod(s) are meshed");
});
