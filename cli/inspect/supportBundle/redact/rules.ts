import { isIPv6 } from 'node:net';
import type { Placeholders } from './placeholders.ts';
import { credentialsIn, replacePairs, url } from './secretKeys.ts';

export interface Rule {
  name: string;
  apply(text: string, mark: Placeholders['mark']): string;
}

const byte = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
const uuid = /(?<![\da-f])[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}(?![\da-f])/gi;

/** What is replaced before known values are looked for: a part of it could be one of them, and the rest of it would stay. */
export const wholes: Rule[] = [
  // A key in several lines, or with \n for its lines; without its end (a log that was cut) all the rest.
  {
    name: 'PEM',
    apply: (text, mark) =>
      text.replace(/-----BEGIN [^-\n]+-----[\s\S]*?(?:-----END [^-\n]+-----|$(?![\s\S]))/g, (key) => mark('secret', key)),
  },
  { name: 'end of PEM', apply: replacePemTail },
  {
    name: 'ssh key',
    apply: (text, mark) => text.replace(/\b(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[\w@.-]+ +AAAA[\w+/=]+(?: +\S+)?/g, (key) => mark('secret', key)),
  },
  {
    name: 'tokens',
    apply: (text, mark) =>
      text.replace(
        /\b(?:eyJ[\w-]+(?:\.[\w-]+)*|gh[pousr]_\w+|github_pat_\w+|glpat-[\w-]+|xox[abprs]-[\w-]+|(?:AKIA|ASIA)[A-Z0-9]{12,}|K10[\da-f]{20,}\S*)/g,
        (token) => mark('secret', token),
      ),
  },
  { name: 'opaque', apply: replaceOpaque },
];

/** What is replaced by its look after that, in this order: what takes most of the text comes first. */
export const rules: Rule[] = [
  {
    name: 'authorization',
    apply: (text, mark) => text.replace(/(authorization\\*["']?\s*[:=]\s*)(\S.*)$/gim, (_, key, value) => `${key}${mark('secret', value)}`),
  },
  {
    name: 'bearer',
    apply: (text, mark) =>
      text.replace(/\b(bearer|basic)(\s+)([\w+/=.~-]{4,})/gi, (_, word, gap, value) => `${word}${gap}${mark('secret', value)}`),
  },
  { name: 'URL', apply: replaceUrls },
  { name: 'secret keys', apply: (text, mark) => replacePairs(text, (value) => (isMarked(value) ? value : mark('secret', value))) },
  {
    name: 'environment',
    apply: (text, mark) =>
      text.replace(/\b(Environment(?:File)?=\s*["']?[\w]+=)(.+)$/gm, (_, key, value) => `${key}${mark('secret', value)}`),
  },
  {
    name: 'mail',
    apply: (text, mark) =>
      text.replace(/(?<![\p{L}\p{N}])[\p{L}\p{N}._%+-]+@(?=[\p{L}\p{N}][\p{L}\p{N}.-]*\.\p{L}{2,})[\p{L}\p{N}.-]+/gu, (all) =>
        replaceMail(all, mark),
      ),
  },
  {
    name: 'user at host',
    apply: (text, mark) =>
      text.replace(/(?<![\w.@/-])([a-z_][\w-]*)@([a-z\d][\w.-]*)/gi, (all, user, host) => replaceLogin(all, user, host, mark)),
  },
  { name: 'UUID', apply: (text, mark) => text.replace(uuid, (id) => mark('id', id.replaceAll('-', ''))) },
  // 32: machines, boots, invocations. 40 and 64 are digests as well: those of files stay, they say which bytes are there.
  {
    name: 'identifiers',
    apply: (text, mark) => text.replace(/(?<![\w:/])(?:[\da-f]{32}|[\da-f]{40}|[\da-f]{64})(?![\w])/gi, (id) => mark('id', id)),
  },
  {
    name: 'MAC',
    apply: (text, mark) =>
      text.replace(/(?<![\da-f])[\da-f]{2}(?:([:-])[\da-f]{2})(?:\1[\da-f]{2}){4,}(?![\da-f])/gi, (address) =>
        mark('mac', address.replaceAll('-', ':')),
      ),
  },
  {
    name: 'IPv6',
    apply: (text, mark) =>
      text.replace(/[\da-f.]*:[\da-f.]*:[\da-f:.]*/gi, (all, at: number) => replaceIpv6(all, text[at - 1] ?? ' ', mark)),
  },
  {
    name: 'IPv4',
    apply: (text, mark) =>
      text.replace(new RegExp(`(?<![\\d.])${byte}(?:\\.${byte}){3}(?!\\d|\\.\\d)`, 'g'), (all) =>
        /^127\.|^0\.0\.0\.0$/.test(all) ? all : mark('ip', all),
      ),
  },
  {
    name: 'pods',
    apply: (text, mark) =>
      text.replace(
        /((?:\b(?:pod|namespace|ns|podsandbox|pod[_-]?name(?:space)?|io\.kubernetes\.pod\.\w+)|Metadata\{Name)\\*["']?\s*[=:]\s*\\*["']?)([^\s,"'\\}&]+)/gi,
        (all, key, name) => (isMarked(name) ? all : `${key}${mark('pod', name)}`),
      ),
  },
  {
    name: 'lookup',
    apply: (text, mark) =>
      text.replace(
        /(\b(?:lookup|hostname|host|node|server)(?:[=:]\s*\\*["']?|\s+(?=\S+: no such host)))([\p{L}\p{N}][\p{L}\p{N}._-]*)/giu,
        (all, key, name) => (isPlain(name) ? all : `${key}${mark('host', name)}`),
      ),
  },
  { name: 'host names', apply: (text, mark) => text.replace(dotted, (word) => (isHostName(word) ? mark('host', word) : word)) },
  {
    name: 'home folders',
    apply: (text, mark) => text.replace(/(\/(?:home|Users)\/)([^/\s"':,;)]+)/g, (_, folder, name) => `${folder}${mark('user', name)}`),
  },
];

function replaceUrls(text: string, mark: Placeholders['mark']): string {
  return text.replace(url, (whole, ...rest) => {
    const {
      scheme,
      userinfo,
      rest: place,
      query,
    } = rest.at(-1) as Record<'scheme' | 'rest', string> & { userinfo?: string; query?: string };
    if (userinfo === undefined && query === undefined && /^(?:unix|file):/i.test(scheme)) return whole;
    const [, authority = '', path = ''] = /^([^/]*)(.*)$/.exec(place) ?? [];
    const who = userinfo === undefined ? '' : `${mark('secret', userinfo)}@`;
    const asked = query === undefined || query === '#' ? '' : `${query[0]}${mark('secret', query)}`;
    return `${scheme}${who}${authorityOf(authority, mark)}${path}${asked}`;
  });
}

/** The host of a URL, also one without a dot; addresses are left to their own rules. */
function authorityOf(authority: string, mark: Placeholders['mark']): string {
  const [, host = '', port = ''] = /^(.*?)(:\d+)?$/.exec(authority) ?? [];
  if (host === '' || /^[\d.:[\]a-f]+$/i.test(host) || isMarked(host) || host === 'localhost') return authority;
  return /^[\p{L}\p{N}._-]+$/u.test(host) && (isHostName(host) || !host.includes('.')) ? `${mark('host', host)}${port}` : authority;
}

/** Long words that mix letters and digits as no name does, and credentials in base64. */
function replaceOpaque(text: string, mark: Placeholders['mark']): string {
  return text.replace(/(?<![\w+=-])[\w+/-]{8,}={0,2}/g, (word) => {
    if (credentialsIn(word) !== undefined) return mark('secret', word);
    const longest = word.split('/').reduce((most, part) => Math.max(most, part.length), 0);
    const mixed = /[a-z]/.test(word) && /[A-Z]/.test(word) && /\d/.test(word);
    return longest >= 20 && (mixed || /={1,2}$/.test(word)) ? mark('secret', word) : word;
  });
}

function replaceMail(all: string, mark: Placeholders['mark']): string {
  // getty@tty1.service, user@1000.service
  return isHostName(all.slice(all.indexOf('@') + 1)) ? mark('mail', all) : all;
}

function replaceLogin(all: string, user: string, host: string, mark: Placeholders['mark']): string {
  // getty@tty1.service and containerd@1.7 are no logins.
  return /^\d/.test(host) || /\.[a-z]+$/.test(host) ? all : `${mark('user', user)}@${mark('host', host)}`;
}

/** The longest part that is an address: a port may follow without brackets, and a word may come before, as in tcp:fe80::1, not kata::a. */
function replaceIpv6(all: string, before: string, mark: Placeholders['mark']): string {
  // No address is as long; a fingerprint may be.
  if (all.length > 100) return mark('id', all);
  const word = /\w/.test(before) ? (/^[\da-f.]*(?:::(?!:))?/i.exec(all)?.[0].length ?? 0) : 0;
  const cuts = [...all.matchAll(/(?=:)|(?<=:)|(?=\.+$)|$|^/g)].map(({ index }) => index);
  for (const from of cuts.filter((cut) => cut >= word)) {
    for (const to of cuts.toReversed()) {
      const address = all.slice(from, to);
      if (to > from && isIPv6(address) && !['::', '::1'].includes(address))
        return `${all.slice(0, from)}${mark('ip', address)}${all.slice(to)}`;
    }
  }
  return all;
}

function isMarked(value: string): boolean {
  return /[\u{f0000}-\u{ffffd}]/u.test(value);
}

/** Words that follow "host:" in kata-sysext's own sentences. */
function isPlain(name: string): boolean {
  return isMarked(name) || /^(?:localhost|unknown|none|is|has|and|the|as|or|may|does)$/i.test(name) || /^\d+$/.test(name);
}

/** The end of a key whose begin was cut away: the lines of nothing but base64 before it. */
function replacePemTail(text: string, mark: Placeholders['mark']): string {
  if (!text.includes('-----END ')) return text;
  const lines = text.split('\n');
  for (const [end, line] of lines.entries()) {
    if (!line.includes('-----END ')) continue;
    let begin = end;
    while (begin > 0 && /(?:^|\s)[\w+/=]{1,76}$/.test(lines[begin - 1]!)) begin -= 1;
    lines.fill('', begin, end);
    lines[end] = mark('secret', line);
  }
  return lines.join('\n');
}

/** Ends of names that are files, units or parts of kata-sysext's own words, not domains. */
const notDomains = new Set(
  (
    'service socket target mount automount slice scope timer path device swap toml json yaml yml conf config cfg ini md txt log sock ttrpc so ko pid lock ' +
    'raw img iso bin efi elf gz xz zst zstd bz tar zip rpm deb tgz erofs squashfs ext dtb vmlinux vmlinuz vmlinuxz initrd sh py js mjs cjs ts rs go ' +
    'old new bak before after tmp damaged ended wants requires upholds proto sum lst list rules preset sysext confext portable'
  ).split(' '),
);

/** Names that are the same on every host: they say nothing about a host, and much about a fault. */
const publicDomains = [
  'containerd.io',
  'docker.io',
  'ghcr.io',
  'github.com',
  'golang.org',
  'freedesktop.org',
  'k8s.gcr.io',
  'k8s.io',
  'katacontainers.io',
  'kubernetes.io',
  'quay.io',
  'systemd.io',
];

/** Names of interfaces and plugins, written from the right: no host has them. */
const reversed = /^(?:io\.(?:containerd|cri-containerd|katacontainers|kubernetes)|org\.(?:freedesktop|opencontainers))(?:\.|$)/i;

/** A dotted word; what it is, `isHostName` says. */
const dotted = /(?<![\p{L}\p{N}])[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?)+/gu;

/**
 * Whether a dotted word must be taken for the name of a host. In doubt it is one: a word too much that is replaced costs less than a name
 * that is sent to others.
 */
function isHostName(word: string): boolean {
  const name = word.toLowerCase();
  const last = name.split('.').at(-1)!;
  if (!/^(?:\p{L}{2,}|xn--[a-z0-9-]+)$/u.test(last) || notDomains.has(last)) return false;
  return !reversed.test(name) && !publicDomains.some((domain) => name === domain || name.endsWith(`.${domain}`));
}
