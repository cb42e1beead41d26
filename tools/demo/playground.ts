/** A playground that lives as long as the demo: it holds our end of a pipe, and goes when we go. */
export interface Playground {
  /** Path of a kubeconfig file. */
  readonly kubeconfig: string;
  /** Resolves with what happened when the playground ends by itself. */
  readonly ended: Promise<string[]>;
  stop(): Promise<void>;
}

export async function startPlayground(
  executable: string,
  name: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Playground> {
  const child = Bun.spawn([executable, "playground", "up", "--foreground", "--name", name, "-o", "json"], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    env,
  });
  const errors = new Response(child.stderr).text();
  const reader = child.stdout.getReader();
  const line = await firstLine(reader);
  if (line === undefined) throw new Error(`the playground did not start. ${whyNot(await errors)}`);
  void (async () => {
    while (!(await reader.read()).done); // nothing more is expected, but a full pipe would stop it
  })();
  let isStopping = false;
  return {
    kubeconfig: (JSON.parse(line) as { kubeconfig: string }).kubeconfig,
    ended: child.exited.then(async (code) =>
      isStopping ? [] : [`the playground ended by itself (${code}). ${whyNot(await errors)}`],
    ),
    async stop() {
      isStopping = true;
      child.stdin.end();
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

/** What it said, without the parts that it said were ready. */
function whyNot(errors: string): string {
  const lines = errors.split("\n").filter((line) => line.trim() !== "" && !/^ {2}.* ready$/.test(line));
  return lines.join("\n");
}

async function firstLine(reader: {
  read(): Promise<{ value?: Uint8Array; done: boolean }>;
}): Promise<string | undefined> {
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return undefined;
    text += new TextDecoder().decode(value);
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
}
