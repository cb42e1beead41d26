import { SERVER_IP } from "../lab/namespaces.ts";
import type { Subject } from "./subject.ts";

/** No proxy at all: what the network, the application and the load generator cost by themselves. */
export const direct: Subject = {
  name: "direct",
  async start(_protocol, { applicationPort }) {
    return { target: { host: SERVER_IP, port: applicationPort }, hops: () => [], stop: async () => {} };
  },
};
