/** A value for each `{name}`; undefined: there is none; a list: the group is wanted once for each. */
export type Values = Readonly<Record<string, string | readonly string[] | undefined>>;

const placeholder = /\{(\w+)(,?)\}/g;

/** The words of all groups whose values are there, in order. */
export function fillGroups(groups: readonly (readonly string[])[], values: Values): string[] {
  return groups.flatMap((group) => {
    const names = namesIn(group.join(' '));
    const several = names.find((name) => Array.isArray(values[name]));
    const rounds = several === undefined ? [values] : (values[several] as readonly string[]).map((one) => ({ ...values, [several]: one }));
    return rounds.flatMap((round) => (names.every((name) => round[name] !== undefined) ? group.map((word) => fill(word, round)) : []));
  });
}

/** A copy of a JSON value with its strings filled; members and elements that want a value which is not there are left out. */
export function fillJson(content: unknown, values: Values): unknown {
  if (typeof content === 'string') return namesIn(content).every((name) => values[name] !== undefined) ? fill(content, values) : undefined;
  if (Array.isArray(content)) return content.filter((element) => whole(element, values)).map((element) => fillJson(element, values));
  if (typeof content !== 'object' || content === null) return content;
  const members = Object.entries(content).map(([key, value]) => [key, fillJson(value, values)] as const);
  return Object.fromEntries(members.filter(([, value]) => value !== undefined));
}

function whole(element: unknown, values: Values): boolean {
  return namesIn(JSON.stringify(element)).every((name) => values[name] !== undefined);
}

function namesIn(text: string): string[] {
  return [...text.matchAll(placeholder)].map((match) => match[1]!);
}

/** QEMU reads a doubled comma as a comma of the value; one alone would begin the next option. */
function fill(word: string, values: Values): string {
  return word.replace(placeholder, (_, name: string, doubled: string) => {
    const value = String(values[name]);
    return doubled === '' ? value : value.replaceAll(',', ',,');
  });
}
