import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import { type ListReply, PRODUCTS, type Product, Products, type Stop, serveGrpc } from "./shop.ts";

/** SLOW_MS makes this replica slow: a balancer should notice and prefer the other one. */
const slowMs = Number(process.env.SLOW_MS ?? 0);

export function start(): Promise<Stop> {
  return serveGrpc(Products.service, { List: list, Watch: watch });
}

function list(_call: ServerUnaryCall<object, ListReply>, done: sendUnaryData<ListReply>): void {
  setTimeout(() => done(null, { products: PRODUCTS.map((name) => ({ name })) }), slowMs);
}

function watch(call: ServerWritableStream<object, Product>): void {
  for (const name of PRODUCTS) call.write({ name });
  call.end();
}
