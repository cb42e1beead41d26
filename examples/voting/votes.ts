import { type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import { BROKEN_PRODUCT, PRODUCTS, type Stop, serveGrpc, type VoteReply, Voting } from "./shop.ts";

const votes = new Map<string, number>(PRODUCTS.map((name) => [name, 0]));

export function start(): Promise<Stop> {
  return serveGrpc(Voting.service, { Vote: vote, Results: results });
}

function vote(call: ServerUnaryCall<{ product: string }, VoteReply>, done: sendUnaryData<VoteReply>): void {
  const { product } = call.request;
  const count = votes.get(product);
  if (product === BROKEN_PRODUCT && process.env.MENDED !== "true") {
    done({ code: status.INTERNAL, details: `The ${product} counter is broken (on purpose)` });
  } else if (count === undefined) {
    done({ code: status.INVALID_ARGUMENT, details: `No product "${product}": wanted one of ${PRODUCTS.join(", ")}` });
  } else {
    votes.set(product, count + 1);
    done(null, { votes: count + 1 });
  }
}

function results(_call: ServerUnaryCall<object, object>, done: sendUnaryData<object>): void {
  done(null, { results: [...votes].map(([product, count]) => ({ product, votes: count })) });
}
