import { basename } from 'node:path';
import { KataError } from '../errors/index.ts';
import type { HostFacts } from '../facts/index.ts';
import { installedName } from '../layout/index.ts';
import { architectureFindings, type Given } from '../planning/choices/givenImage.ts';
import type { InstallRequest } from '../planning/choices/types.ts';
import { type Staged, stageImage } from '../store/index.ts';
import type { Context } from './types.ts';
import { refuseFullFor } from './unpack.ts';

interface Taken {
  request: InstallRequest;
  facts: HostFacts;
  root: string;
  wanted: string[] | undefined;
  backend: string;
}

/** Stages a copy of the image. Throws `host-architecture`, `bundle-lacks-handler` and the codes of `stageImage`. */
export async function takeImage(
  context: Context,
  { file, said }: Given,
  { request, facts, root, wanted, backend }: Taken,
): Promise<Staged> {
  const name = basename(file);
  const [foreign] = architectureFindings(facts, { file, said });
  if (foreign !== undefined) throw KataError.of(foreign);
  const lacking = (wanted ?? []).filter((release) => !said.handlers.some((handler) => handler.release === release)).map(installedName);
  if (lacking.length > 0) {
    throw new KataError('bundle-lacks-handler', {
      subject: lacking.join(', '),
      found: `${name} does not have ${lacking.join(', ')}; it has ${said.handlers.map((handler) => handler.name).join(', ')}`,
      needed: 'an image with all wanted handlers',
      next: `make another one: kata-sysext build BUNDLE... ${(wanted ?? []).map((release) => `--handler ${release}`).join(' ')} -o FILE`,
      details: { handlers: lacking, available: said.handlers.map((handler) => handler.name) },
    });
  }
  await refuseFullFor(context, file, root, request, backend);
  return stageImage(context.host, { file, said, digest: request.digests[0], root, emit: context.emit, signal: context.signal });
}
