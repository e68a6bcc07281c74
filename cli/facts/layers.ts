import { nullish } from 'valibot';
import { parseJson } from '../documents/index.ts';
import { flag, listOf, misfitOf, type Shape, tableOf, text } from '../documents/shapes.ts';
import { KataError } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/index.ts';

/** Packages that rpm-ostree has layered onto the image of an ostree host. */
export interface Layering {
  /** Packages that were asked for, by name; those of a file by name, version and architecture. */
  requested: string[];
  /** What they are in the deployment that the next boot would start, where that is not the booted one. */
  next?: string[] | undefined;
  /** A transaction of rpm-ostree that runs at the moment. */
  busy: boolean;
}

interface Deployment {
  booted?: boolean | null;
  'requested-packages'?: string[] | null;
  'requested-local-packages'?: string[] | null;
}

interface Status {
  deployments: Deployment[];
  /** null where nothing runs. */
  transaction?: unknown;
}

/** rpm-ostree writes null for what a deployment does not have. */
const packages = nullish(listOf(text));

const statusShape: Shape<unknown> = tableOf({
  deployments: listOf(tableOf({ booted: nullish(flag), 'requested-packages': packages, 'requested-local-packages': packages })),
});

const statusTimeoutMs = 120_000;
const originsFolder: HostPath = '/ostree/deploy';

/**
 * What rpm-ostree has layered: on a booted host it is asked, of a tree that does not run the notes beside the deployments tell (all of them
 * together). undefined on hosts without it.
 */
export async function layeringOf(host: HostView): Promise<Layering | undefined> {
  if (host.live) return (await host.has('rpm-ostree')) ? asked(host) : undefined;
  const requested = await fromOrigins(host);
  return requested === undefined ? undefined : { requested, busy: false };
}

/** Whether a package is among those that were asked for; 'kata-containers-3.2.0-1.x86_64' came from a file. */
export function isRequested(requested: string[], name: string): boolean {
  return requested.some((each) => each === name || (each.startsWith(`${name}-`) && /^\d/.test(each.slice(name.length + 1))));
}

async function asked(host: HostView): Promise<Layering> {
  const { stdout } = await host.run('rpm-ostree', ['status', '--json'], { timeoutMs: statusTimeoutMs });
  const { deployments, transaction } = parsed(stdout);
  const booted = deployments.find((each) => each.booted === true);
  const [first] = deployments;
  if (booted === undefined || first === undefined) throw odd('none of its deployments is booted');
  return {
    requested: requestedIn(booted),
    next: first === booted ? undefined : requestedIn(first),
    busy: transaction !== undefined && transaction !== null,
  };
}

function requestedIn(deployment: Deployment): string[] {
  return [...(deployment['requested-packages'] ?? []), ...(deployment['requested-local-packages'] ?? [])];
}

function parsed(text: string): Status {
  try {
    const value = parseJson(text);
    const misfit = misfitOf(statusShape, value);
    if (misfit === undefined) return value as Status;
    throw new Error(misfit);
  } catch (cause) {
    throw odd((cause as Error).message, cause);
  }
}

function odd(found: string, cause?: unknown): KataError {
  return new KataError('host-unknown', {
    subject: 'rpm-ostree',
    found: `rpm-ostree status --json does not say what is layered: ${found}`,
    needed: 'the packages of the booted deployment',
    next: 'rpm-ostree status --json',
    cause,
  });
}

/** [packages] requested=a;b; in the note that ostree keeps beside each deployment. */
async function fromOrigins(host: HostView): Promise<string[] | undefined> {
  const found: string[] = [];
  let notes = 0;
  for (const os of await host.readdir(originsFolder)) {
    const folder = `${originsFolder}/${os}/deploy`;
    for (const name of (await host.readdir(folder)).filter((each) => each.endsWith('.origin'))) {
      notes += 1;
      const packages =
        /^\[packages\]\n(?<lines>(?:[^[\n].*\n?|\n)*)/m.exec((await host.readText(`${folder}/${name}`)) ?? '')?.groups?.['lines'] ?? '';
      for (const [, list] of packages.matchAll(/^requested(?:-local)?=(.*)$/gm)) found.push(...namesIn(list!));
    }
  }
  return notes === 0 ? undefined : [...new Set(found)];
}

/** A package from a file follows its digest. */
function namesIn(list: string): string[] {
  return list.split(';').flatMap((each) => (each === '' ? [] : [each.replace(/^[0-9a-f]{64}:/, '')]));
}
