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
const VALUE = "((?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?)";
const EQUALITY = new RegExp(`^${KEY}\\s*(==|=|!=)\\s*${VALUE}$`);
const EXISTENCE = new RegExp(`^(!?)\\s*${KEY}$`);

function parseRequirement(text: string): LabelPredicate {
  const set = SET.exec(text);
  if (set) {
    const values = set[3].split(",").map((value) => value.trim());
    return oneOf(set[1], values, set[2] === "in");
  }
  const equality = EQUALITY.exec(text);
  if (equality) return oneOf(equality[1], [equality[3]], equality[2] !== "!=");
  const existence = EXISTENCE.exec(text);
  if (existence) return (labels) => Object.hasOwn(labels, existence[2]) === (existence[1] === "");
  throw new Error(
    `Cannot read the label requirement "${text}": wanted key=value, key!=value, key in (a,b), key notin (a,b), key or !key`,
  );
}

/** A label that is absent is in no set. */
function oneOf(key: string, values: readonly string[], isWanted: boolean): LabelPredicate {
  return (labels) => (Object.hasOwn(labels, key) && values.includes(labels[key])) === isWanted;
}
