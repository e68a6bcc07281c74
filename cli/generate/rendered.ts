import { pointer } from '../store/index.ts';
import { fetchFunction, fetchLine, firstBootScript, firstBootUnit, pauseSeconds, stampOf } from './common.ts';
import { fill, shellWord } from './fill.ts';
import type { FirstBoot, RenderedRequest } from './types.ts';

/** A unit that puts an archive in place in which everything is computed already, before the engine starts. Pure, as `hook`. */
export function rendered(request: RenderedRequest): FirstBoot {
  const { target, version, archive, places, engineUnit } = request;
  const title = `Made by kata-sysext ${version} generate for ${target.name}.`;
  const values = {
    title,
    unit: firstBootUnit,
    script: firstBootScript,
    work: target.work,
    stamp: stampOf([archive.digest]),
    pause: String(pauseSeconds),
    engine: engineUnit,
  };
  const text = fill('rendered.sh', {
    ...values,
    fetch: fetchFunction(),
    fetches: fetchLine(archive),
    archive: archive.name,
    pointer,
    places: places.map((path) => `place ${shellWord(path)}`).join('\n'),
  });
  return {
    title,
    files: [{ path: firstBootScript, mode: 0o755, text, note: 'Fetches, verifies, copies.' }],
    units: [{ name: firstBootUnit, text: fill('rendered.service', values), note: 'Runs the script until it has worked once.' }],
    kernelArguments: request.kernelArguments,
  };
}
