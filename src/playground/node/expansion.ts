/**
 * `$(NAME)` in commands, arguments and values, as Kubernetes expands it: unknown names stay as they are, `$$` is a
 * dollar sign, so `$$(NAME)` is the literal `$(NAME)`.
 */
export function expand(text: string, known: ReadonlyMap<string, string>): string {
  return text.replace(/\$\$|\$\(([^()]*)\)/g, (whole, name: string | undefined) =>
    name === undefined ? "$" : (known.get(name) ?? whole),
  );
}
