import type { FirstBoot } from '../types.ts';

/** An Ignition configuration of the named version as an object. Contents are data URLs: no server decides whether the node boots. */
export function ignitionConfig({ files, units, kernelArguments }: FirstBoot, version: string): Record<string, unknown> {
  return {
    ignition: { version },
    kernelArguments: kernelArguments.length === 0 ? undefined : { shouldExist: kernelArguments },
    storage: {
      files: files.map(({ path, mode, text }) => ({ path, overwrite: true, mode, contents: { source: dataUrl(text) } })),
    },
    systemd: { units: units.map(({ name, text }) => ({ name, enabled: true, contents: text })) },
  };
}

/** JSON has no comments: the files inside have their own. */
export function ignition(firstBoot: FirstBoot, version: string): string {
  return `${JSON.stringify(ignitionConfig(firstBoot, version), null, 2)}\n`;
}

function dataUrl(text: string): string {
  return `data:text/plain;charset=utf-8;base64,${Buffer.from(text).toString('base64')}`;
}
