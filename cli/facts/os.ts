import type { HostView } from '../host/index.ts';
import { type Fact, known, type OperatingSystem, unknown } from './types.ts';

/** How os-release tells the hosts apart (RHCOS changed its ID in 4.19, so OPENSHIFT_VERSION decides). */
const kinds: { kind: OperatingSystem['kind']; is(fields: Map<string, string>): boolean }[] = [
  { kind: 'rhcos', is: (f) => f.get('ID') === 'rhcos' || (f.get('VARIANT_ID') === 'coreos' && f.has('OPENSHIFT_VERSION')) },
  { kind: 'fcos', is: (f) => f.get('ID') === 'fedora' && f.get('VARIANT_ID') === 'coreos' },
  { kind: 'flatcar', is: (f) => f.get('ID') === 'flatcar' },
  { kind: 'microos', is: (f) => f.get('ID') === 'opensuse-microos' },
];

const files = ['/etc/os-release', '/usr/lib/os-release'];

export async function operatingSystem(host: HostView): Promise<Fact<OperatingSystem>> {
  for (const file of files) {
    const text = await host.readText(file, 'os-release');
    if (text === undefined) continue;
    const fields = parse(text);
    const id = fields.get('ID');
    if (id === undefined) return unknown(`${file} has no ID`);
    const kind = kinds.find((row) => row.is(fields))?.kind ?? 'other';
    const openshift = fields.get('OPENSHIFT_VERSION');
    const version = fields.get('VERSION_ID') ?? '';
    return known({ id, kind, name: fields.get('PRETTY_NAME') ?? id, version, openshift }, file);
  }
  return unknown(`neither ${files.join(' nor ')} is there`);
}

function parse(text: string): Map<string, string> {
  const lines = text.split('\n').map((line) => /^\s*([A-Z0-9_]+)=(.*)$/.exec(line.trim()));
  return new Map(lines.filter((match) => match !== null).map((match) => [match[1]!, unquote(match[2]!)]));
}

function unquote(value: string): string {
  const quoted = /^(["'])(.*)\1$/.exec(value);
  return (quoted?.[2] ?? value).replace(/\\(.)/g, '$1');
}
