/** Nobody may call voting but web: who is refused learns it, and everybody who counts says so. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Pod } from "#kube";
import { MeshPlayground, START_MS } from "../support/mesh-playground.ts";
import { until } from "../support/playground.ts";

/** Who may call, before what closes the port: so web is never shut out. */
const POLICY = `
apiVersion: policy.linkerd.io/v1alpha1
kind: MeshTLSAuthentication
metadata: { name: web, namespace: voting }
spec:
  identityRefs: [{ kind: ServiceAccount, name: web }]
---
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata: { name: only-web, namespace: voting }
spec:
  targetRef: { group: policy.linkerd.io, kind: Server, name: votes }
  requiredAuthenticationRefs: [{ group: policy.linkerd.io, kind: MeshTLSAuthentication, name: web }]
---
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: { name: votes, namespace: voting }
spec:
  podSelector: { matchLabels: { app: voting } }
  port: grpc
`;
const DENIED = ['srv_name="votes"', 'client_id="traffic.voting.serviceaccount.identity.linkerd.cluster.local"'];
let mesh: MeshPlayground;
let voting: Pod;
let stranger: Pod;

beforeAll(async () => {
  mesh = await MeshPlayground.start();
  [voting, stranger] = await Promise.all([mesh.podOf("voting"), mesh.podOf("traffic")]);
  await mesh.apply(POLICY);
  await until("the Server in force", async () => (await askGrpc(stranger)).grpcStatus === "7");
}, START_MS);
afterAll(() => mesh?.stop(), 30_000);

/**
 * A gRPC call by plain curl, which knows nothing of the mesh that the pod is in. Without a message: some versions of curl
 * wait for ever when the answer is complete before their upload is.
 */
async function askGrpc(from: Pod): Promise<{ status: string | undefined; grpcStatus: string | undefined }> {
  const flags = ["-sS", "-m", "10", "--http2-prior-knowledge", "-D", "-", "-X", "POST"];
  const headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"];
  const { out } = await mesh.exec(
    from,
    "traffic",
    "curl",
    ...flags,
    ...headers,
    "http://voting:8080/shop.Voting/Results",
  );
  return { status: /^HTTP\/2 (\d+)/m.exec(out)?.[1], grpcStatus: /^grpc-status: (\d+)/m.exec(out)?.[1] };
}

/** An HTTP/1.1 request; its status. */
async function askHttp(from: Pod): Promise<string> {
  const format = ["-o", "/dev/null", "-w", "%{http_code}"];
  return (await mesh.exec(from, "traffic", "curl", "-sS", "-m", "10", ...format, "http://voting:8080/")).out;
}

test("web's votes are counted as before, from the first moment on", async () => {
  await mesh.more(60);
  const sent = await mesh.pause();
  expect(sent).toMatchObject({ lost: 0, failed: (await mesh.sent("/vote?product=doughnut")).sent });
  expect((await mesh.sent("/vote?product=apple")).ok).toBeGreaterThan(0);
});

test("another meshed pod's call is refused, in HTTP and in gRPC", async () => {
  expect(await askGrpc(stranger)).toEqual({ status: "200", grpcStatus: "7" });
  expect(await askHttp(stranger)).toBe("403");
});

test("counters say who was let in and who was refused", async () => {
  const before = await mesh.count(voting, "inbound_http_authz_deny_total", ...DENIED);
  expect(before).toBeGreaterThan(0);
  await askGrpc(stranger);
  expect(await mesh.count(voting, "inbound_http_authz_deny_total", ...DENIED)).toBe(before + 1);
  expect(await mesh.count(voting, "inbound_http_authz_deny_total", 'client_id="web.voting')).toBe(0);
  const allowed = ['authz_name="only-web"', 'client_id="web.voting.serviceaccount.identity.linkerd.cluster.local"'];
  expect(await mesh.count(voting, "inbound_http_authz_allow_total", ...allowed)).toBeGreaterThan(0);
});

test("authz names the policy that covers voting", async () => {
  const [, row] = (await mesh.linkerd.run("authz", "-n", "voting", "deploy/voting")).split("\n");
  expect(row!.trim().split(/ +/)).toEqual(["*", "votes", "only-web"]);
});

test("once the policy is gone the stranger is let through", async () => {
  await mesh.run("delete", "server/votes", "authorizationpolicy/only-web", "meshtlsauthentication/web");
  const answer = await until("an answer of voting itself", async () => {
    const { status, grpcStatus } = await askGrpc(stranger);
    return grpcStatus !== "7" && status;
  });
  expect(answer).toBe("200");
  expect(await mesh.count(voting, "inbound_http_authz_allow_total", 'client_id="traffic.voting.')).toBeGreaterThan(0);
});
