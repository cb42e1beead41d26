const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

/** Each returns what is wrong in Kubernetes' words, or undefined. */
export type NameRule = (name: string) => string | undefined;

/** RFC 1123 label: namespaces, containers, ports. */
export const dnsLabel: NameRule = (name) =>
  name.length > 63
    ? "must be no more than 63 characters"
    : LABEL.test(name)
      ? undefined
      : "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/** RFC 1035 label: services. */
export const dnsLabel1035: NameRule = (name) =>
  name.length > 63
    ? "must be no more than 63 characters"
    : LABEL_1035.test(name)
      ? undefined
      : "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

/** RFC 1123 subdomain: most objects. */
export const dnsSubdomain: NameRule = (name) =>
  name.length > 253
    ? "must be no more than 253 characters"
    : SUBDOMAIN.test(name)
      ? undefined
      : "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** What a path can hold: RBAC objects may be called `system:node`. */
export const pathSegment: NameRule = (name) =>
  name === "." || name === ".." || /[/%]/.test(name) ? "may not contain '/' or '%', or be '.' or '..'" : undefined;

const RULES: Record<string, NameRule> = {
  Namespace: dnsLabel,
  Service: dnsLabel1035,
  Role: pathSegment,
  ClusterRole: pathSegment,
  RoleBinding: pathSegment,
  ClusterRoleBinding: pathSegment,
};

/** The rule for names of a kind. */
export function nameRuleOf(kind: string): NameRule {
  return RULES[kind] ?? dnsSubdomain;
}

/** Keys of labels and annotations: `[prefix/]name`. */
export const qualifiedName: NameRule = (key) => {
  const parts = key.split("/");
  const name = parts.at(-1)!;
  if (parts.length > 2 || (parts.length === 2 && dnsSubdomain(parts[0]!)))
    return "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
  if (name.length > 63) return "name part must be no more than 63 characters";
  return QUALIFIED.test(name)
    ? undefined
    : "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
};

export const labelValue: NameRule = (value) =>
  value.length > 63
    ? "must be no more than 63 characters"
    : LABEL_VALUE.test(value)
      ? undefined
      : "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
