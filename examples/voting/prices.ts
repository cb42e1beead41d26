import { createServer, type Socket } from "node:net";
import { PRICES_PORT, PRODUCTS, type Stop } from "./shop.ts";

/** A line protocol in which the server speaks first, as SMTP and MySQL do: a greeting, then one price per line asked. */
export async function start(): Promise<Stop> {
  const server = createServer({ allowHalfOpen: true }, serve);
  await new Promise<void>((resolve) => server.listen(PRICES_PORT, "0.0.0.0", resolve));
  console.log(`prices on ${PRICES_PORT}`);
  return () => new Promise((resolve) => server.close(() => resolve()));
}

function serve(socket: Socket): void {
  let rest = "";
  socket.setEncoding("latin1");
  socket.write("prices ready\n");
  socket.on("data", (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!.slice(0, 100);
    for (const line of lines) socket.write(`${price(line)}\n`);
  });
  socket.on("end", () => socket.end());
  socket.on("error", () => socket.destroy()); // the client went away: nothing to answer
}

function price(product: string): string {
  const index = PRODUCTS.indexOf(product);
  return index < 0 ? `unknown ${product}` : `${product} ${100 + index * 25}`;
}
