import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const DEBIAN = /^(bookworm|trixie|forky|sid|stable|testing|unstable)$/;

/** The Debian mirror this machine's own apt uses, read from its sources in either style; undefined when it names none. */
export function debianMirror(apt = '/etc/apt'): string | undefined {
  for (const file of sources(apt)) {
    const text = readFileSync(file, 'utf8');
    const found = file.endsWith('.sources') ? fromStanzas(text) : fromLines(text);
    if (found !== undefined) return found;
  }
  return undefined;
}

function sources(apt: string): string[] {
  const parts = join(apt, 'sources.list.d');
  const named = existsSync(parts) ? readdirSync(parts).sort() : [];
  const files = named.filter((name) => /\.(sources|list)$/.test(name)).map((name) => join(parts, name));
  return [join(apt, 'sources.list'), ...files].filter((file) => existsSync(file));
}

function fromStanzas(text: string): string | undefined {
  for (const stanza of text.replace(/^#.*\n/gm, '').split(/\n\s*\n/)) {
    const field = (name: string): string[] => {
      const line = new RegExp(`^${name}:[ \\t]*(.*)$`, 'im').exec(stanza);
      return line?.[1]?.trim().split(/\s+/) ?? [];
    };
    if (!field('Types').includes('deb') || field('Enabled').includes('no')) continue;
    if (field('Suites').some((suite) => DEBIAN.test(suite)) && field('Components').includes('main')) return field('URIs')[0];
  }
  return undefined;
}

function fromLines(text: string): string | undefined {
  for (const line of text.split('\n')) {
    const found = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)$/.exec(line);
    if (found && DEBIAN.test(found[2] ?? '') && /\bmain\b/.test(found[3] ?? '')) return found[1];
  }
  return undefined;
}
