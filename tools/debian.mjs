// Debian packages that the playground, the tests and the benchmark use, unpacked into the clone and never installed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fail, openScratch, requireRoom, run, say, toolsDir } from "./toolchain.mjs";

/**
 * Package groups. `provides` are the commands the group is there for, with their packages: when all are on PATH, nothing
 * is fetched. `packages` are what has to be unpacked for them: those and their libraries.
 */
const GROUPS = {
  playground: {
    provides: { iptables: "iptables", "iptables-restore": "iptables", "ip6tables-restore": "iptables" },
    packages: [
      "iptables",
      "libxtables12",
      "libip4tc2",
      "libip6tc2",
      "libnetfilter-conntrack3",
      "libnfnetlink0",
      "libnftnl11",
      "libmnl0",
    ],
  },
  capture: { provides: { tcpdump: "tcpdump" }, packages: ["tcpdump", "libpcap0.8"] },
  // Gives an ordinary user the ids of pods. Only root can unpack it so that it works: the programs are set-user-id root.
  user: { provides: { newuidmap: "uidmap", newgidmap: "uidmap" }, packages: ["uidmap"], isSetUserId: true },
  bench: {
    provides: {
      nginx: "nginx",
      haproxy: "haproxy",
      nghttpx: "nghttp2-proxy",
      h2load: "nghttp2-client",
      wrk: "wrk",
    },
    packages: [
      "nginx",
      "haproxy",
      "nghttp2-proxy",
      "nghttp2-client",
      "wrk",
      "liblua5.3-0",
      "libopentracing-c-wrapper0",
      "libopentracing1",
      "libluajit-5.1-2",
      "libluajit-5.1-common",
      "libev4",
      "libjemalloc2",
      "nghttp2-server",
      "libnginx-mod-stream",
      "libc-ares2",
      "libjansson4",
      "libnghttp2-14",
      "libxml2",
      "libslang2",
      "libicu72",
      "libpcre2-8-0",
      "libevent-2.1-7",
    ],
  },
};

const LAYOUT = 2; // counts the changes of what is unpacked and wrapped: older ones are made anew
const ROOM_BYTES = 200e6; // package lists and the largest group
const home = join(toolsDir, "debian");
const wrapped = join(home, "wrapped");

/** The environment with the unpacked commands on PATH, after the machine's own. */
export function debianEnv(env = process.env) {
  const systemBins = ["/usr/local/sbin", "/usr/sbin", "/sbin"]; // an ordinary user's PATH often lacks these
  return { ...env, PATH: [...(env.PATH ?? "/usr/bin:/bin").split(delimiter), ...systemBins, wrapped].join(delimiter) };
}

/** Makes the commands of a group available; returns nothing, or fails with the packages to install by hand. */
export function ensureDebian(groupName) {
  const group = GROUPS[groupName];
  const stamp = join(home, `.${groupName}-${LAYOUT}`);
  const missing = Object.keys(group.provides).filter((command) => !onPath(command));
  if (existsSync(stamp) || missing.length === 0) return;
  const packages = [...new Set(missing.map((command) => group.provides[command]))];
  const hint = `Install ${packages.join(" ")} (Debian's names; there: apt-get install ${packages.join(" ")}), and run this again`;
  if (group.isSetUserId && process.getuid() !== 0)
    fail(`${missing.join(" and ")} must belong to root, so they cannot be fetched into the clone. ${hint}`);
  if (!onPath("apt-get") || !onPath("dpkg-deb"))
    fail(`This machine has no ${missing.join(", ")}, and no apt to fetch them with. ${hint}`);
  requireRoom(ROOM_BYTES);
  say(`Fetching Debian packages for ${groupName} ...`);
  const debs = openScratch();
  const wanted = group.packages.filter((name) => name === group.packages[0] || !isInstalled(name));
  let got = download(debs, wanted, aptOptions());
  if (got.status !== 0) got = downloadWithOwnLists(debs, wanted);
  if (got.status !== 0) {
    rmSync(join(home, "apt"), { recursive: true });
    if (readdirSync(home).length === 0) rmdirSync(home);
    fail(`Cannot download ${wanted.join(" ")}:\n${`${got.stdout}${got.stderr}`.trim()}\n${hint}`);
  }
  for (const deb of readdirSync(debs)) run("dpkg-deb", ["-x", join(debs, deb), home], `unpack ${deb}`);
  wrapPrograms();
  writeFileSync(stamp, `${wanted.join("\n")}\n`);
}

/** apt keeps its caches in the clone, and drops no privileges that the clone's owner may need to write there. */
function aptOptions() {
  const cache = join(home, "apt", "cache");
  mkdirSync(join(cache, "archives", "partial"), { recursive: true });
  return ["-q", "-o", `Dir::Cache=${cache}`, "-o", "APT::Sandbox::User="];
}

function download(cwd, packages, options) {
  return spawnSync("apt-get", [...options, "download", ...packages], { cwd, encoding: "utf8" });
}

/** A machine whose package lists were never fetched: the lists go into the clone too. */
function downloadWithOwnLists(cwd, packages) {
  const lists = join(home, "apt", "lists");
  mkdirSync(join(lists, "partial"), { recursive: true });
  const options = [...aptOptions(), "-o", `Dir::State::Lists=${lists}`];
  const updated = spawnSync("apt-get", [...options, "update"], { cwd, encoding: "utf8" });
  if (updated.status !== 0) return updated;
  return download(cwd, packages, options);
}

/**
 * Each unpacked program gets a wrapper that shows it its own libraries, so that PATH is all a caller needs.
 * iptables' many names are links through /etc/alternatives on a real install; here they run the nft program.
 */
function wrapPrograms() {
  mkdirSync(wrapped, { recursive: true });
  for (const dir of ["usr/sbin", "usr/bin", "sbin", "bin"]) {
    if (!existsSync(join(home, dir))) continue;
    for (const name of readdirSync(join(home, dir))) wrap(name, `"$home/${dir}/${name}"`);
  }
  if (!existsSync(join(home, "usr/sbin/xtables-nft-multi"))) return;
  for (const name of [
    "iptables",
    "iptables-restore",
    "iptables-save",
    "ip6tables",
    "ip6tables-restore",
    "ip6tables-save",
  ]) {
    wrap(name, `"$home/usr/sbin/xtables-nft-multi" ${name}`);
  }
}

/** iptables keeps names of its extensions in 256 bytes, which a deep clone overruns: a folder held open has a short name. */
const extensions = [`exec 9<"$home/usr/lib/${multiarch()}/xtables"`, "export XTABLES_LIBDIR=/proc/self/fd/9"];

function wrap(name, command) {
  const libraries = ["usr/lib", "lib"].map((dir) => `$home/${dir}/${multiarch()}`).join(":");
  const script = [
    "#!/bin/sh",
    'home=$(cd "$(dirname "$0")/.." && pwd)',
    `export LD_LIBRARY_PATH="${libraries}"`,
    ...(name.includes("tables") ? extensions : []),
    `exec ${command} "$@"`,
    "",
  ];
  writeFileSync(join(wrapped, name), script.join("\n"), { mode: 0o755 });
}

function multiarch() {
  return process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
}

function onPath(command) {
  const dirs = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return dirs.some((dir) => existsSync(join(dir, command)));
}

function isInstalled(name) {
  const asked = spawnSync("dpkg-query", ["-W", "-f", "$" + "{Status}", name], { encoding: "utf8" });
  return asked.status === 0 && asked.stdout.includes("install ok installed");
}
