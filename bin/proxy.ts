import { readFileSync } from "node:fs";
import { StderrWriter } from "#lib/stderr";
import { ProxyApp, readConfig } from "#proxy";

const EXIT_BAD_CONFIG = 64;

/** The sidecar: reads its environment, serves until told to end, lets live work finish. */
export async function main(_args: readonly string[]): Promise<number> {
  const stderr = new StderrWriter();
  const { config, errors } = readConfig((name) => process.env[name]);
  if (!config) {
    for (const error of errors) stderr.write(`Invalid configuration: ${error}\n`);
    return await exit(EXIT_BAD_CONFIG, stderr);
  }
  let app: ProxyApp;
  try {
    app = new ProxyApp({
      config,
      env: () => process.env as Record<string, string>,
      readToken: () => readFileSync(config.identity.tokenFile, "utf8"),
      writeLog: (line) => stderr.write(line),
    });
    process.on("uncaughtException", (failure) => app.ownMistake(failure));
    process.on("unhandledRejection", (failure) => app.ownMistake(failure as Error));
    const bound = await app.start();
    app.log.info("Listening", {
      inbound: bound.inbound.port,
      outbound: bound.outbound.map(({ port }) => port).join(),
      admin: bound.admin.port,
      id: app.identity.name,
    });
  } catch (cause) {
    stderr.write(`Cannot start the proxy: ${(cause as Error).message}\n`);
    return await exit(1, stderr); // what it bound before would serve on, without a proxy behind it
  }
  await Promise.race([signalled("SIGTERM"), signalled("SIGINT"), app.shutdownAsked]);
  app.log.info("Draining");
  await app.drain();
  return await exit(0, stderr); // what is left are connections to peers that did not close in time
}

async function exit(code: number, stderr: StderrWriter): Promise<never> {
  await stderr.drained(LAST_WORDS_MS);
  process.exit(code);
}

const LAST_WORDS_MS = 500;

function signalled(signal: "SIGTERM" | "SIGINT"): Promise<void> {
  return new Promise((resolve) => process.once(signal, () => resolve()));
}
