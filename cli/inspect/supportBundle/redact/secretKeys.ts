import { enginePlugins } from '../../../engines/index.ts';

/** Keys whose value is a secret, or the name of a user, in TOML, JSON, YAML, INI, environments and log lines. */
const secretKey =
  '[\\w.-]*(?:passw(?:or)?d|passphrase|passwd|\\bpwd|secret|token|credential|authorization|(?<![a-z])auth(?![a-z]*or)|auth[_-]|api[_-]?key|access[_-]?key|private[_-]?key|signing[_-]?key|encryption[_-]?key|cookie|webhook|user[_-]?name|login)[\\w.-]*';

const pair = new RegExp(
  `(?<![\\w.-])(?<key>${secretKey})(?<sign>\\\\*["']?\\s*(?:=>|[=:])\\s*)(?<value>(?<quote>\\\\*["'])(?<inside>.*?)\\k<quote>(?=\\s|[,;:}\\])]|$)|[^\\s"'\\\\,;}\\])][^\\s,;}]*)`,
  'gim',
);

/** Replaces the values of secret keys; the key stays, since it says what was there. */
export function replacePairs(text: string, replace: (value: string) => string): string {
  return text.replace(pair, (whole, ...rest) => {
    const { key, sign, value, quote, inside } = rest.at(-1) as Record<'key' | 'sign' | 'value', string> & {
      quote?: string;
      inside?: string;
    };
    // auth.json is a file.
    if (
      /\.(?:json|toml|ya?ml|conf|d|service)$/i.test(key) ||
      inside === '' ||
      /^(?:true|false|null|none|nil|\d{1,5})$/i.test(inside ?? value)
    )
      return whole;
    return quote === undefined ? `${key}${sign}${replace(value)}` : `${key}${sign}${quote}${replace(inside!)}${quote}`;
  });
}

/** A URL with the text before the host and after the path; what could be a password is taken as far as it can reach. */
export const url =
  /(?<scheme>\b[a-z][a-z0-9+.-]*:\/\/)(?:(?<userinfo>[^\s/"'<>]*(?:\/[^\s/"'<>@]*)?)@)?(?<rest>[^\s"'<>?#]*)(?<query>[?#][^\s"'<>]*)?/gi;

const pem = /-----BEGIN [^-\n]+-----[\s\S]*?(?:-----END [^-\n]+-----|$(?![\s\S]))/g;

/** Values in the text of a configuration that must be found again in every other text. Never empty strings. */
export function secretsIn(text: string): string[] {
  const found: string[] = [];
  replacePairs(text, (value) => {
    found.push(value, unescaped(value));
    return '';
  });
  for (const { groups } of text.matchAll(url)) {
    const userinfo = groups?.['userinfo'];
    if (userinfo === undefined) continue;
    const colon = userinfo.indexOf(':');
    const parts = colon === -1 ? [userinfo] : [userinfo, userinfo.slice(0, colon), userinfo.slice(colon + 1)];
    found.push(...parts, ...parts.map(decoded));
  }
  for (const [block] of text.matchAll(pem)) found.push(...block.split(/\s+|\\n/).filter((line) => /^[\w+/=]{8,}$/.test(line)));
  for (const [, value = ''] of text.matchAll(/authorization["'\s]*[=:]\s*\[?\s*["']?(?:basic|bearer)?\s*([^\s"'\]]+)/gi)) found.push(value);
  return [...new Set(found.flatMap(withBase64Inside))].filter(
    (value) => value.length >= 4 && !common.has(value.toLowerCase()) && !isEngineWord(value.toLowerCase()),
  );
}

/** Words of every report: a password that is one of them would take the whole text with it, and is no secret. */
const common = new Set(
  (
    'true false none null root admin user kata runc system systemd info debug warn error linux host hosts http https ' +
    'auto prefix sysext active'
  ).split(' '),
);

/** A name of an engine, which everybody's host has. */
export function isEngineWord(word: string): boolean {
  return enginePlugins().some(({ report }) => report.words.includes(word));
}

/** 'dXNlcjpwYXNz' also is user:pass, and both parts. */
function withBase64Inside(value: string): string[] {
  const plain = credentialsIn(value);
  if (plain === undefined) return [value];
  const colon = plain.indexOf(':');
  return [value, plain, plain.slice(0, colon), plain.slice(colon + 1)];
}

/** 'user:password' when the word is that in base64. */
export function credentialsIn(word: string): string | undefined {
  if (!/^[A-Za-z0-9+/_-]{6,}={0,2}$/.test(word)) return undefined;
  const plain = Buffer.from(word, 'base64').toString('latin1');
  return /^[\x20-\x7e]+$/.test(plain) && /^[^:]+:./.test(plain) ? plain : undefined;
}

/** The shapes that a secret has in logs: as it is, escaped once or twice, in base64, in a URL, in hex. */
export function shapesOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const bytes = Buffer.from(secret);
  const shapes = [secret, json, JSON.stringify(json).slice(1, -1), encodeURIComponent(wellFormed(secret)), encodeURI(wellFormed(secret))];
  // In base64 a text looks different at each of three places; the search is for the part that does not depend on its neighbours.
  const base64 = [0, 1, 2].flatMap((shift) => {
    const whole = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const inner = whole.slice(shift === 0 ? 0 : shift + 1, whole.length - ((bytes.length + shift) % 3 === 0 ? 0 : 1));
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')];
  });
  const hex = bytes.toString('hex');
  return [...new Set([...shapes, ...[...base64, hex, hex.toUpperCase()].filter((shape) => shape.length >= 6)])];
}

/** Node 20 has String.toWellFormed; encodeURIComponent throws for half a pair. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

function unescaped(value: string): string {
  return value.replace(/\\(["'\\])/g, '$1');
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
