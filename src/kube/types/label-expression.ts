/** Says whether labels are selected. */
export type LabelPredicate = (labels: Readonly<Record<string, string>>) => boolean;

/**
 * Reads a label selector as kubectl's `-l` takes it: requirements joined by commas, each `key=value`, `key==value`,
 * `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key` or `!key`. The empty text selects everything.
 * Throws with the requirement that could not be read.
 */
export function parseSelector(text: string): LabelPredicate {
  const predicates = requirementsOf(text).map(parseRequirement);
  return (labels) => predicates.every((predicate) => predicate(labels));
}

/** Splits at commas outside parentheses. */
function requirementsOf(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

const KEY = "([A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?)";
const SET = new RegExp(`^${KEY}\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const EQUALITY = new RegExp(`^${KEY}\\s*(==|=|!=)\\s*([-A-Za-z0-9_.]*)$`);
const EXISTENCE = new RegExp(`^(!?)\\s*${KEY}$`);

function parseRequirement(text: string): LabelPredicate {
  const set = SET.exec(text);
  if (set) {
    const [, key, operator] = set;
    const values = set[3].split(",").map((value) => value.trim());
    if (operator === "in") return (labels) => labels[key] !== undefined && values.includes(labels[key]);
    return (labels) => labels[key] === undefined || !values.includes(labels[key]);
  }
  const equality = EQUALITY.exec(text);
  if (equality) {
    const [, key, operator, value] = equality;
    return operator === "!=" ? (labels) => labels[key] !== value : (labels) => labels[key] === value;
  }
  const existence = EXISTENCE.exec(text);
  if (!existence) {
    throw new Error(
      `Cannot read the label requirement "${text}": wanted key=value, key!=value, key in (a,b), key notin (a,b), key or !key`,
    );
  }
  const [, not, key] = existence;
  return (labels) => (labels[key] === undefined) === (not === "!");
}
