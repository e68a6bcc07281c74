import { deepEqual, equal } from 'node:assert/strict';
import { type Import, readSources, type SourceFacts } from '../support/sources.ts';

/** Folders that are a part of their own, with the reason. Else each folder of cli/ is one part, with all below it, and so is each file beside them. */
const ownParts: Record<string, string> = {
  'planning/choices': 'what a user may choose, for planners and reading verbs alike',
  'bootGuard/units': 'plans install the guard, and the guard runs plans',
};

/** Who gets the half of the port that writes, with the reason. All others get `HostView`. */
const writers: Record<string, string> = {
  host: 'it is the port',
  store: 'payloads, generations and records are written through it',
  requests: 'what the node remembers of requests, and its report',
  nodePod: 'the program and the request in the folder that the pod mounts',
  transaction: 'the journal, and the undo of what was interrupted',
  steps: 'a step acts on the host',
  'backends/overlay/mount.ts': 'the step of this backend',
  'backends/sysext/refresh.ts': 'the step of this backend',
  'backends/sysext/refreshStep.ts': 'the step of this backend',
  runner: 'it carries changes out',
  bootGuard:
    'the mark of a phase, the count of tries and the blessing are no changes: they are written in boots in which no journal may be',
  pod: 'notes of pods that a killed proof has to leave behind',
  'commands/run.ts': 'it opens the port',
  'commands/verbs/verify.ts': 'it hands the port to the proof by pods',
  'inspect/supportBundle': 'labels are read by a program that only the writing half has; nothing is written',
};

const planners = ['operations', 'planning/choices', 'planning', 'preflight', 'inspect'];

/** Operations that are no plan of a change, with the reason. */
const unplanned: Record<string, string> = {
  'cli/operations/build.ts': 'it makes a file off the host',
};

interface Edge extends Import {
  from: string;
}

describe('the parts of the program', function () {
  this.timeout(120_000);
  let sources: SourceFacts[] = [];
  let imports: Edge[] = [];

  before(() => {
    sources = readSources();
    imports = sources.flatMap(({ path, imports }) => imports.map((each) => ({ from: path, ...each })));
  });

  it('import each other without a circle', () => {
    const edges = edgesOf(imports, partOf);

    const circles = [...edges.keys()].flatMap((part) => circleFrom(part, edges) ?? []);

    deepEqual(circles, []);
  });

  it('have files that import each other without a circle, but for what is loaded later', () => {
    const edges = edgesOf(
      imports.filter(({ later }) => !later),
      (path) => path,
    );

    const circles = [...edges.keys()].flatMap((file) => circleFrom(file, edges) ?? []);

    deepEqual(circles, []);
  });

  it('of reading verbs know neither operations nor the runner', () => {
    const wrong = imports.filter(({ from, to }) => partOf(from) === 'inspect' && ['operations', 'runner'].includes(partOf(to)));

    deepEqual(wrong, []);
  });

  it('that plan get a view of the host, and not what the runner has', () => {
    const wrong = imports.filter(
      ({ from, names }) => names.includes('Context') && planners.includes(partOf(from)) && !Object.hasOwn(unplanned, from),
    );

    deepEqual(
      wrong.map(({ from }) => from),
      [],
    );
  });

  it('that plan, refuse and inspect get the reading half of the port', () => {
    const wrong = imports.filter(({ from, to, names }) => to.startsWith('cli/host/') && names.includes('Host') && !mayWrite(from));

    deepEqual(
      wrong.map(({ from }) => from),
      [],
    );
  });

  it('have no function of more than 60 lines', () => {
    const long = sources.flatMap(({ path, functions }) => functions.filter(({ lines }) => lines > 60).map((each) => ({ path, ...each })));

    deepEqual(long, []);
  });

  it('are all seen', () => {
    const session = sources.find(({ path }) => path === 'cli/runner/session.ts');

    equal(
      session?.functions.some(({ head }) => head.includes('underLock')),
      true,
    );
    equal(
      session?.imports.some(({ names }) => names.includes('recover')),
      true,
    );
  });
});

function mayWrite(path: string): boolean {
  return Object.keys(writers).some((place) => path === `cli/${place}` || path.startsWith(`cli/${place}/`));
}

function partOf(path: string): string {
  return Object.keys(ownParts).find((part) => path.startsWith(`cli/${part}/`)) ?? path.split('/')[1]!;
}

function edgesOf(imports: Edge[], placeOf: (path: string) => string): Map<string, Map<string, Edge>> {
  const edges = new Map<string, Map<string, Edge>>();
  for (const each of imports) {
    const [from, to] = [placeOf(each.from), placeOf(each.to)];
    if (from === to || !each.to.startsWith('cli/')) continue;
    edges.set(from, (edges.get(from) ?? new Map<string, Edge>()).set(to, each));
  }
  return edges;
}

/** The imports that lead from a place back to it; undefined where none do. */
function circleFrom(start: string, edges: Map<string, Map<string, Edge>>): string | undefined {
  const seen = new Set<string>();
  const walk = (part: string): string[] | undefined => {
    for (const [next, { from, to }] of edges.get(part) ?? []) {
      const line = `${from} → ${to}`;
      if (next === start) return [line];
      if (seen.has(next)) continue;
      seen.add(next);
      const rest = walk(next);
      if (rest !== undefined) return [line, ...rest];
    }
    return undefined;
  };
  return walk(start)?.join(', ');
}
