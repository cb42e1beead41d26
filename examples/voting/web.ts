import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { credentials } from "@grpc/grpc-js";
import { HTTP_PORT, Products, type ProductsClient, type Stop, Voting, type VotingClient } from "./shop.ts";

const CALL_TIMEOUT_MS = 5_000;

const products: ProductsClient = new Products(
  process.env.PRODUCTS_ADDR ?? "products:8080",
  credentials.createInsecure(),
);
const voting: VotingClient = new Voting(process.env.VOTING_ADDR ?? "voting:8080", credentials.createInsecure());

/** Each path makes exactly one call behind it, so that counters on the way can be compared. */
export async function start(): Promise<Stop> {
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(HTTP_PORT, "0.0.0.0", resolve));
  console.log(`web on ${HTTP_PORT}`);
  return () => new Promise((resolve) => server.close(() => resolve()));
}

function serve(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://web");
  answer(url, response).catch((error: Error) => reply(response, 500, { error: error.message }));
}

async function answer(url: URL, response: ServerResponse): Promise<void> {
  const product = url.searchParams.get("product") ?? "";
  if (url.pathname === "/")
    reply(response, 200, { shop: "voting", try: ["/products", "/vote?product=apple", "/price?product=apple"] });
  else if (url.pathname === "/products") reply(response, 200, await list());
  else if (url.pathname === "/vote") reply(response, 200, await vote(product));
  else if (url.pathname === "/price") reply(response, 200, { price: await price(product) });
  else reply(response, 404, { error: `No page ${url.pathname}` });
}

function reply(response: ServerResponse, status: number, body: object): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}

function deadline(): { deadline: number } {
  return { deadline: Date.now() + CALL_TIMEOUT_MS };
}

function list(): Promise<object> {
  return new Promise((resolve, reject) =>
    products.list({}, deadline(), (error, reply) => (error ? reject(error) : resolve(reply!))),
  );
}

function vote(product: string): Promise<object> {
  return new Promise((resolve, reject) =>
    voting.vote({ product }, deadline(), (error, reply) => (error ? reject(error) : resolve(reply!))),
  );
}

/** Waits for the server's greeting before asking. */
function price(product: string): Promise<string> {
  const [host, port] = (process.env.PRICES_ADDR ?? "prices:6000").split(":");
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host);
    let text = "";
    socket.setEncoding("latin1");
    socket.setTimeout(CALL_TIMEOUT_MS, () => socket.destroy(new Error("The price server is silent")));
    socket.on("data", (more) => {
      const hadGreeting = text.includes("\n");
      text += more;
      if (!hadGreeting && text.includes("\n")) socket.end(`${product}\n`);
    });
    socket.on("error", reject);
    socket.on("close", () => {
      const [greeting, line] = text.split("\n");
      if (greeting === "prices ready" && line) resolve(line);
      else reject(new Error(`The price server said "${text.trim()}": wanted a greeting and a price`));
    });
  });
}
