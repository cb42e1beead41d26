/** Runs the built `linkerd` against the demo's cluster. */
export class Linkerd {
  readonly #executable: string;
  readonly #kubeconfig: string;

  constructor(executable: string, kubeconfig: string) {
    this.#executable = executable;
    this.#kubeconfig = kubeconfig;
  }

  /** Standard output of a command that must succeed. */
  async run(...args: string[]): Promise<string> {
    const { text, errors, code } = await this.try(...args);
    if (code !== 0) throw new Error(`linkerd ${args.join(" ")} failed (${code}):\n${errors}${text}`);
    return text;
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.run(...args, "-o", "json")) as T;
  }

  async try(...args: string[]): Promise<{ text: string; errors: string; code: number }> {
    const child = Bun.spawn([this.#executable, ...args], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, KUBECONFIG: this.#kubeconfig, NO_COLOR: "1" },
    });
    const [text, errors, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { text, errors, code };
  }
}
