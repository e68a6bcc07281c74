/** The values of generated documents. As in JSON, a key whose value is undefined is left out. */
export type Yaml = string | number | boolean | null | Yaml[] | YamlTable;
export type YamlTable = { [key: string]: Yaml | undefined };

/** A document in block style. Strings are quoted as in JSON, which YAML reads alike; texts of several lines are literal blocks. */
export function yaml(value: YamlTable, comment: string[] = []): string {
  return [...comment.map((line) => `# ${line}`.trimEnd()), ...mapping(value, '')].map((line) => `${line}\n`).join('');
}

function mapping(value: YamlTable, indent: string): string[] {
  return Object.entries(value).flatMap(([key, each]) => (each === undefined ? [] : entry(`${indent}${keyText(key)}:`, each, indent)));
}

function entry(head: string, value: Yaml, indent: string): string[] {
  const deeper = `${indent}  `;
  if (typeof value === 'string' && isBlock(value)) {
    const lines = value.slice(0, -1).split('\n');
    return [`${head} |`, ...lines.map((line) => (line === '' ? '' : `${deeper}${line}`))];
  }
  if (Array.isArray(value)) return value.length === 0 ? [`${head} []`] : [head, ...value.flatMap((each) => item(each, deeper))];
  if (typeof value === 'object' && value !== null)
    return Object.keys(value).length === 0 ? [`${head} {}`] : [head, ...mapping(value, deeper)];
  return [`${head} ${scalar(value)}`];
}

function item(value: Yaml, indent: string): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.keys(value).length === 0)
    return [`${indent}- ${scalar(value)}`];
  const [first = '', ...rest] = mapping(value, `${indent}  `);
  return [`${indent}- ${first.trimStart()}`, ...rest];
}

/**
 * Whether a literal block gives back the very text: one line end at its end, no blank first, nothing but printable signs. U+2028 and U+2029
 * end a line of YAML 1.1, which Butane reads.
 */
function isBlock(text: string): boolean {
  return /^[^\s][\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]*[^\n]\n$/.test(text);
}

/** Plain where no YAML takes it for something else than a text (1.1 has y, no and on). */
function keyText(key: string): string {
  return /^(?!(?:true|false|null|yes|no|on|off|y|n)$)[a-z][\w./-]*$/i.test(key) ? key : scalar(key);
}

/** JSON does not escape what YAML refuses (DEL, most of C1) or takes for the end of a line (NEL, U+2028, U+2029). */
function scalar(value: Yaml): string {
  return JSON.stringify(value).replace(
    /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
