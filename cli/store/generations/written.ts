import type { Digest, HostPath, HostView } from '../../host/index.ts';
import { generationsFolder, imageNumber } from '../paths.ts';
import { findGeneration } from './records.ts';

/** Every digest that a record of this host has of a file, whichever generation and deployment it was written for. */
export async function writtenDigests(host: HostView, path: HostPath): Promise<Set<Digest>> {
  const own = (await host.readdir(generationsFolder)).filter((name) => /^[1-9]\d{0,8}$/.test(name)).map(Number);
  // A record that is damaged says nothing: a rollback at boot must not fail because of another generation.
  const found = await Promise.all([imageNumber, ...own].map((number) => findGeneration(host, number).catch(() => undefined)));
  const written = found.flatMap((generation) =>
    generation === undefined ? [] : [generation.record, ...Object.values(generation.record.wirings ?? {})],
  );
  return new Set(written.flatMap(({ edited }) => edited?.[path] ?? []));
}
