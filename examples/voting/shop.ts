/** What the parts share: the gRPC contract, addresses and ports. */
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

export const GRPC_PORT = Number(process.env.PORT ?? 8080);
export const HTTP_PORT = Number(process.env.PORT ?? 8080);
export const PRICES_PORT = Number(process.env.PORT ?? 6000);

/** Takes nothing new; resolves when what was under way is done. */
export type Stop = () => Promise<void>;

export interface Product {
  name: string;
}
export interface ListReply {
  products: Product[];
}
export interface VoteReply {
  votes: number;
}

type Callback<T> = (error: grpc.ServiceError | null, reply?: T) => void;

export interface ProductsClient extends grpc.Client {
  list(request: object, options: grpc.CallOptions, done: Callback<ListReply>): grpc.ClientUnaryCall;
}
export interface VotingClient extends grpc.Client {
  vote(request: { product: string }, options: grpc.CallOptions, done: Callback<VoteReply>): grpc.ClientUnaryCall;
}

type ClientClass<T> = (new (
  address: string,
  credentials: grpc.ChannelCredentials,
  options?: grpc.ClientOptions,
) => T) & {
  service: grpc.ServiceDefinition;
};

const shop = grpc.loadPackageDefinition(loadSync(join(import.meta.dir, "shop.proto"), { defaults: true }))
  .shop as unknown as {
  Products: ClientClass<ProductsClient>;
  Voting: ClientClass<VotingClient>;
};

export const { Products, Voting } = shop;

/** Names that the votes are for. The last one fails. */
export const PRODUCTS: readonly string[] = ["apple", "bagel", "coffee", "doughnut"];
export const BROKEN_PRODUCT = "doughnut";

/** Starts a gRPC server with one service on `GRPC_PORT`. */
export async function serveGrpc(
  service: grpc.ServiceDefinition,
  methods: grpc.UntypedServiceImplementation,
): Promise<Stop> {
  const server = new grpc.Server();
  server.addService(service, methods);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`0.0.0.0:${GRPC_PORT}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  console.log(`gRPC on ${GRPC_PORT}`);
  return () => new Promise((resolve) => server.tryShutdown(() => resolve()));
}
