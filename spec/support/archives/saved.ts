import { createHash, type KeyObject, sign } from 'node:crypto';
import { contentsBytes, contentsName } from '../../../cli/bundle/savedFormat.ts';
import { sha256 } from '../digests.ts';
import { makeTar, type TarMember } from './tar.ts';

/** An archive as a release has it: its VERSION and one program. */
export function tinyArchive(name: string, version = '4.2.0', content = name): TarMember {
  const members = [{ name: './opt/kata/VERSION', content: `${version}\n` }];
  return { name: `archives/${name}`, content: makeTar([...(version === '' ? [] : members), { name: `./opt/kata/bin/${name}`, content }]) };
}

/** The document of a saved bundle. `archives`: what it says of them. */
export function contentsOf(archives: object[]): TarMember {
  const content = Buffer.alloc(contentsBytes, ' ');
  content.write(JSON.stringify({ schema: 1, version: '1.0.0', archives }));
  return { name: contentsName, content };
}

export function listed({ name, content = '' }: TarMember): { name: string; digest: string; sizeBytes: number } {
  const bytes = Buffer.from(content);
  return { name: String(name).replace('archives/', ''), digest: `sha256:${sha256(bytes)}`, sizeBytes: bytes.length };
}

/** The four lines of minisign, by its format's own words. The id of the key is eight times 7. */
export function minisignOf(bytes: Buffer, secret: KeyObject, comment = 'a release'): Buffer {
  const signature = sign(null, createHash('blake2b512').update(bytes).digest(), secret);
  const global = sign(null, Buffer.concat([signature, Buffer.from(comment)]), secret);
  const line = Buffer.concat([Buffer.from('ED'), Buffer.alloc(8, 7), signature]).toString('base64');
  return Buffer.from(`untrusted comment: by hand\n${line}\ntrusted comment: ${comment}\n${global.toString('base64')}\n`);
}

/** The line of such a key in minisign.pub. */
export function minisignLine(key: KeyObject): string {
  const raw = Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
  return Buffer.concat([Buffer.from('Ed'), Buffer.alloc(8, 7), raw]).toString('base64');
}
