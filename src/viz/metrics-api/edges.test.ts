import { expect, test } from "bun:test";
import { shopCluster, watchedStore } from "../../../test/support/viz-cluster.ts";
import { edges } from "./edges.ts";

const cluster = shopCluster([
  { name: "web" },
  { name: "voting" },
  { name: "prices" },
  { name: "old", isMeshed: false },
]);
const ID = "serviceaccount.identity.linkerd.cluster.local";

async function edgesOf(text: string, type = "deployment", name = "") {
  const { store, scrape } = watchedStore(cluster);
  scrape("web", text);
  const request = { selector: { resource: { namespace: "shop", type, name }, labelSelector: "" } };
  return edges(request, { cluster, source: store, controlPlaneNs: "linkerd" });
}

const to = (deployment: string, rest: string) =>
  `{direction="outbound",peer="dst",dst_deployment="${deployment}",dst_namespace="shop"${rest}}`;

test("an open connection with a server identity is a secured edge, named at both ends", async () => {
  const [edge] = await edgesOf(`tcp_open_connections${to("voting", `,tls="true",server_id="voting.shop.${ID}"`)} 1`);
  expect(edge).toMatchObject({
    src: { name: "web", namespace: "shop" },
    dst: { name: "voting", namespace: "shop" },
    clientId: `web.shop.${ID}`,
    serverId: `voting.shop.${ID}`,
    noIdentityMsg: "",
  });
});

test("a connection that is closed again is an edge for as long as it is recent", async () => {
  const found = await edgesOf(
    `tcp_open_total${to("prices", `,server_id="prices.shop.${ID}"`)} 4\ntcp_open_connections${to("prices", `,server_id="prices.shop.${ID}"`)} 0`,
  );
  expect(found.map(({ dst }) => dst?.name)).toEqual(["prices"]);
});

test("an unsecured edge says why, also for a reason that has no words of its own", async () => {
  const found = await edgesOf(
    `tcp_open_connections${to("old", ',tls="no_identity",no_tls_reason="not_provided_by_service_discovery"')} 1\n` +
      `tcp_open_connections${to("voting", ',tls="no_identity",no_tls_reason="brand_new_reason"')} 1`,
  );
  expect(found.map(({ dst, noIdentityMsg }) => [dst?.name, noIdentityMsg])).toEqual([
    ["old", "Not Provided By Service Discovery"],
    ["voting", "brand_new_reason"],
  ]);
});

test("kinds without edges and names are refused in words", async () => {
  expect(edgesOf("", "svc")).rejects.toThrow("Resource type is not supported: service");
  expect(edgesOf("", "deploy", "web")).rejects.toThrow("Edges cannot be returned for a specific resource name");
});
