import { copyFile, mkdir, readFile, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cached } from './cache.ts';
import { run } from './run.ts';

// glibc must be the host's own, of one piece; all else comes along
const HOSTS = /^(libc|libm|libpthread|libdl|librt|libresolv|ld-linux-x86-64)\.so/;

/** The folder inside a host that was booted with `binds: await curlBinds()`; immutable systems have curl, the lab's roots do not. */
export const CURL = '/mnt/curl';

export async function curlBinds(): Promise<Record<string, string>> {
  const recipe = await readFile(new URL(import.meta.url), 'utf8');
  const version = await run(['dpkg-query', '-W', 'curl', 'libcurl4t64', 'libcurl4'], { allowFailure: true });
  const folder = await cached('curl', [recipe, version.stdout], async (into) => {
    await mkdir(join(into, 'lib'));
    const { stdout } = await run(['ldd', '/usr/bin/curl']);
    for (const library of [...stdout.matchAll(/=> (\/\S+)/g)]
      .map((match) => match[1] ?? '')
      .filter((path) => !HOSTS.test(basename(path)))) {
      await copyFile(await realpath(library), join(into, 'lib', basename(library)));
    }
    await copyFile('/usr/bin/curl', join(into, 'curl'));
    await run(['patchelf', '--force-rpath', '--set-rpath', '$ORIGIN/lib', join(into, 'curl')]);
  });
  return { [folder]: CURL };
}
