import { readFileSync } from "node:fs";

/** The processes that `pid` forked and that still run. */
export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return text === "" ? [] : text.split(" ").map(Number);
  } catch {
    return []; // gone
  }
}

/** Ends a command that was started inside a container: `nsenter` and the process it forked there. */
export function killEntered(pid: number): void {
  for (const each of [...childrenOf(pid), pid]) {
    try {
      process.kill(each, "SIGKILL");
    } catch {
      // ended by itself
    }
  }
}
