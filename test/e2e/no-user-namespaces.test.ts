/** An ordinary user on a machine that allows no user namespaces: one line says so and what lifts it; nothing is left. */
import { afterEach, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asNewcomer, FreshClone, USER_ID } from "../support/fresh-clone.ts";
import { executable } from "../support/mesh-playground.ts";
import { playgroundEnv } from "../support/playground.ts";

const isRoot = process.getuid?.() === 0;
const userId = isRoot ? USER_ID : process.getuid!();
const EXPLAINED =
  "User namespaces do not work for this user (user.max_user_namespaces is 0): run `sysctl user.max_user_namespaces=10000` as root\n";
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/**
 * Words before a command of an ordinary user that take user namespaces away from it, as an administrator can with a
 * sysctl. The limit is that of a user namespace made for this command, so the machine's own stays as it is.
 */
function forbidden(): string[] {
  const drop = "setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all --";
  const script = `echo 0 > /proc/sys/user/max_user_namespaces && exec ${drop} "$0" "$@"`;
  return ["unshare", "--user", `--map-user=${userId}`, "--keep-caps", "--", "sh", "-c", script];
}

test("the command really stands where nobody can make a user namespace", () => {
  const tried = Bun.spawnSync([...forbidden(), "unshare", "--user", "true"], { stdin: "ignore" });
  expect(tried.exitCode).not.toBe(0);
  expect(Bun.spawnSync([...forbidden(), "true"]).exitCode).toBe(0);
});

for (const words of [["up"], ["up", "--foreground"]]) {
  test(`playground ${words.join(" ")} names the setting and leaves nothing`, () => {
    const home = mkdtempSync(join(tmpdir(), "linkerd-ts-forbidden-"));
    closers.push(() => rmSync(home, { recursive: true, force: true }));
    chmodSync(home, 0o755);
    chownSync(home, userId, process.getgid!());
    const user = isRoot
      ? ["setpriv", "--reuid", String(userId), "--regid", String(userId), "--clear-groups", "--"]
      : [];
    const done = Bun.spawnSync([...user, ...forbidden(), executable, "playground", ...words], {
      env: { PATH: playgroundEnv()["PATH"]!, HOME: home },
      cwd: home,
      stdin: "ignore",
    });
    expect({ code: done.exitCode, out: done.stdout.toString(), err: done.stderr.toString() }).toEqual({
      code: 1,
      out: "",
      err: EXPLAINED,
    });
    expect(readdirSync(home)).toEqual([]);
  });
}

test("the demo passes the explanation on, and leaves nothing", async () => {
  const clone = new FreshClone();
  closers.push(() => clone.remove());
  const user = isRoot ? asNewcomer(clone, { umask: "022", hasSubordinateIds: true }) : [];
  const { code, out, err } = await clone.run([...user, ...forbidden(), "npm", "run", "demo", "--", "--once", "--json"]);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(`${err.trimEnd().split("\n").at(-1)}\n`).toBe(`The demo failed: the playground did not start. ${EXPLAINED}`);
  expect(clone.strayFiles()).toEqual([]);
  const states = join(clone.path, ".tools", "playground");
  expect(existsSync(states) ? readdirSync(states) : []).toEqual([]);
});
