/** The pages of `docs/reference` say what the code does: nothing missing, nothing invented. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ANNOTATIONS, LABELS } from "#contracts/labels";
import { applyAnnotations, CONFIG_ANNOTATIONS, defaultValues, INHERITABLE_ANNOTATIONS } from "#manifests/inject";
import { readConfig } from "#proxy";

const root = dirname(import.meta.dir);
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const page = (name: string): string => read(`docs/reference/${name}.md`);

interface Variable {
  readonly name: string;
  readonly type: string;
  readonly otherwise: string;
}

const variables: Variable[] = [...page("env").matchAll(/^\| `(\w+)` \| (.*?) \| (.*?) \| /gm)].map(
  ([, name, type, otherwise]) => ({ name, type, otherwise }),
);

const PREFIX = "LINKERD2_PROXY_";
const required: Readonly<Record<string, string>> = {
  [`${PREFIX}DESTINATION_SVC_ADDR`]: "127.0.0.1:1",
  [`${PREFIX}POLICY_SVC_ADDR`]: "127.0.0.1:2",
  [`${PREFIX}POLICY_WORKLOAD`]: "{}",
  [`${PREFIX}IDENTITY_SVC_ADDR`]: "127.0.0.1:3",
  [`${PREFIX}IDENTITY_DIR`]: "/identity",
  [`${PREFIX}IDENTITY_TRUST_ANCHORS`]: "-----BEGIN CERTIFICATE-----",
  [`${PREFIX}IDENTITY_TOKEN_FILE`]: "/token",
  [`${PREFIX}IDENTITY_LOCAL_NAME`]: "web.ns.example",
};

function configWith(changes: Readonly<Record<string, string | undefined>>): ReturnType<typeof readConfig> {
  return readConfig((name) => ({ ...required, ...changes })[name]);
}

test("env.md names every variable that the proxy reads, and no other", () => {
  const asked = new Set<string>();
  const backoff = { INBOUND_CONNECT_EXP_BACKOFF_MIN: "1s", OUTBOUND_CONNECT_EXP_BACKOFF_MIN: "1s" };
  const backoffMax = { INBOUND_CONNECT_EXP_BACKOFF_MAX: "1s", OUTBOUND_CONNECT_EXP_BACKOFF_MAX: "1s" };
  const env: Record<string, string> = { ...required, [`${PREFIX}IDENTITY_LOCAL_NAME`]: "" };
  for (const [name, value] of Object.entries({ ...backoff, ...backoffMax })) env[PREFIX + name] = value;
  readConfig((name) => {
    asked.add(name);
    return env[name];
  });
  expect(variables.map(({ name }) => name).sort()).toEqual([...asked].sort());
});

test("env.md's defaults change nothing when they are set", () => {
  const shown = (config: unknown): string => Bun.inspect(config, { depth: 10 });
  const without = configWith({}).config;
  expect(without).toBeDefined();
  const different = variables.filter(({ name, otherwise }) => {
    const text = /^`(.*)`$/.exec(otherwise)?.[1];
    return text !== undefined && shown(configWith({ [name]: text }).config) !== shown(without);
  });
  expect(different).toEqual([]);
});

test("env.md calls required what the proxy does not start without", () => {
  const missed = variables.filter(({ name }) => configWith({ [name]: "" }).config === undefined);
  const named = variables.filter(({ otherwise }) => otherwise === "required");
  const oneOfTwo = `${PREFIX}IDENTITY_LOCAL_NAME`;
  expect(missed.map(({ name }) => name).filter((name) => name !== oneOfTwo)).toEqual(named.map(({ name }) => name));
});

test("env.md's numbers, durations, flags and lists are refused when they are something else", () => {
  const parsed =
    /^(number|duration|flag|ports|networks|address|one or two addresses|IP addresses|0 to 1|policy|host:port)$/;
  const isTaken = ({ name }: Variable): boolean => {
    const pair = name.replace(/_(MIN|MAX|JITTER)$/, "");
    const bounds = name.includes("BACKOFF") ? { [`${pair}_MIN`]: "1s", [`${pair}_MAX`]: "1s" } : {};
    return configWith({ ...bounds, [name]: "nonsense!" }).errors.length === 0;
  };
  expect(variables.filter((one) => parsed.test(one.type) && isTaken(one))).toEqual([]);
});

interface Family {
  readonly kind: string;
  /** Matches the name; a name made at run time has holes. */
  readonly pattern: RegExp;
}

/** Every family that a program makes, by the calls that make it. */
function familiesInCode(): Family[] {
  const files = [...new Bun.Glob("src/{proxy,controlplane,viz,net}/**/*.ts").scanSync(root)];
  const calls = /(?:\.(counter|gauge|histogram|count)|\b(gauge))\(\s*["`]([^"`]+)["`]\s*,/g;
  return files
    .filter((file) => !file.endsWith(".test.ts"))
    .flatMap((file) => [...read(file).matchAll(calls)])
    .map(([, method, local, name]) => ({
      kind: method === "count" ? "counter" : (method ?? local),
      pattern: new RegExp(`^${name.replace(/\$\{[^}]*\}/g, "[a-z_]+")}$`),
    }));
}

const families = [...page("metrics").matchAll(/^\| `([a-z0-9_]+)` \| (counter|gauge|histogram) \|(.*?)\| /gm)].map(
  ([, name, kind, labels]) => ({ name, kind, labels }),
);

test("metrics.md names every family, and no other, with its kind", () => {
  const inCode = familiesInCode();
  const invented = families.filter(
    ({ name, kind }) => !inCode.some((family) => family.kind === kind && family.pattern.test(name)),
  );
  const missing = inCode.filter(({ pattern }) => !families.some(({ name }) => pattern.test(name)));
  expect({ invented, missing: missing.map(({ pattern }) => pattern.source) }).toEqual({ invented: [], missing: [] });
  expect(new Set(families.map(({ name }) => name)).size).toBe(families.length);
});

test("metrics.md's labels of families stand in the code", () => {
  const code = [...new Bun.Glob("src/{proxy,controlplane,viz,net}/**/*.ts").scanSync(root)].map(read).join("\n");
  const named = families.flatMap(({ labels }) => [...labels.matchAll(/`([a-z_]+)`/g)].map((match) => match[1]));
  const values = ["src", "dst", "ready", "pending"];
  const invented = [...new Set(named)].filter((name) => !new RegExp(`\\b${name}\\b`).test(code));
  expect(invented.filter((name) => !values.includes(name))).toEqual([]);
});

const configKeys = [...page("annotations").matchAll(/^\| `([a-z-]+)` \| (.*?) \| (yes|no) \| /gm)].map(
  ([, key, value, inherited]) => ({ name: `config.linkerd.io/${key}`, value, isInherited: inherited === "yes" }),
);

test("annotations.md names every annotation that shapes a proxy, and which are inherited", () => {
  expect(configKeys.map(({ name }) => name).sort()).toEqual([...CONFIG_ANNOTATIONS].sort());
  const inherited = configKeys.filter(({ isInherited }) => isInherited).map(({ name }) => name);
  const inCode = INHERITABLE_ANNOTATIONS.filter((name) => name.startsWith("config.linkerd.io/"));
  expect(inherited.sort()).toEqual([...inCode].sort());
});

test("annotations.md's typed values are refused when they are something else", () => {
  const parsed = /^(port|ports|networks|amount|duration|flag|whole number|JSON list|policy|above 0.*|`.*`.*)$/;
  const free = ["image-pull-policy", "debug-image-pull-policy", "pod-inbound-ports"];
  const isTaken = ({ name }: { name: string }): boolean =>
    applyAnnotations({ values: defaultValues(), annotations: { [name]: "nonsense!" } }).warnings.length === 0;
  const typed = configKeys.filter(({ name, value }) => parsed.test(value) && !free.some((key) => name.endsWith(key)));
  expect(typed.filter(isTaken).map(({ name }) => name)).toEqual([]);
});

test("annotations.md's annotations of Services and routes stand in the policy controller", () => {
  const code = ["failure-accrual", "route-settings"]
    .map((file) => read(`src/controlplane/policy/core/${file}.ts`))
    .join();
  const rows = [...page("annotations").matchAll(/^\| `(balancer|retry|timeout)\.linkerd\.io\/([a-z-]+)` \|/gm)];
  expect(rows).toHaveLength(12);
  const invented = rows.filter(([, , name]) => {
    const last = name.replace(/^failure-accrual-consecutive-/, "");
    return !code.includes(`"${last}"`) && !code.includes(`/${last}"`) && !code.includes(`}${last}`);
  });
  expect(invented.map(([row]) => row)).toEqual([]);
});

test("labels.md names what contracts/labels.ts names", () => {
  const rows = [...page("labels").matchAll(/^\| `([\w./-]+)` \|/gm)].map(([, name]) => name);
  expect(rows.sort()).toEqual([...Object.values(LABELS), ...Object.values(ANNOTATIONS)].sort());
});
