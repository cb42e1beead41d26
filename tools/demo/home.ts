import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Where demos of this clone keep their playgrounds: an ignored folder of the clone, one folder inside for each demo. */
export class DemoHome {
  readonly path: string;
  readonly name: string;

  constructor(root: string, name = `demo-${process.pid}`) {
    this.path = join(root, ".tools", "playground");
    this.name = name;
  }

  get logPath(): string {
    return join(this.path, this.name, "playground.log");
  }

  hasLog(): boolean {
    return existsSync(this.logPath);
  }

  /** Makes the folder, and takes away what demos left that were killed. */
  open(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(this.path)) if (!isAlive(name)) rmSync(join(this.path, name), { recursive: true });
  }

  /** Takes this demo's folder away, its log too. */
  close(): void {
    rmSync(join(this.path, this.name), { recursive: true, force: true });
  }
}

/** Whether a demo of this name may be running: its process is a demo, or the name is somebody's own. */
function isAlive(name: string): boolean {
  const pid = /^demo-(\d+)$/.exec(name)?.[1];
  if (pid === undefined) return true;
  const commandLine = `/proc/${pid}/cmdline`;
  try {
    return existsSync(commandLine) && readFileSync(commandLine, "utf8").includes("tools/demo.ts");
  } catch {
    return false; // ended between the two
  }
}
