import { isAddress } from '../../download/address.ts';
import { didYouMean, KataError } from '../../errors/index.ts';
import { bytes, tableLines } from '../../output/index.ts';
import { type AddedCatalogue, addedCatalogues, type Catalogue, ownCatalogue } from '../../releases/index.ts';
import { activeGeneration } from '../../store/index.ts';
import { digestOf, text } from '../parsing/options.ts';
import { signatureOf } from '../parsing/signatures.ts';
import { readSmall } from '../parsing/smallFiles.ts';
import type { Call, Reply } from '../types.ts';

const actions = ['add', 'remove'] as const;
const next = 'kata-sysext releases --help';

export async function run(call: Call): Promise<Reply> {
  const [word, named] = call.words;
  if (word === undefined) return listed(call);
  const action = actions.find((each) => each === word);
  if (action === undefined) throw usage(`releases knows no “${word}”${didYouMean(word, actions)}`, 'releases add, or releases remove');
  if (named === undefined) throw usage(`releases ${action} without a catalogue`, action === 'add' ? 'its file or address' : 'its name');
  return action === 'add' ? added(call, named) : removed(call, named);
}

async function added(call: Call, named: string): Promise<Reply> {
  const { options, context } = call;
  const { addCatalogue } = await import('../../runner/catalogues.ts');
  const signature = text(options['signature']);
  const digest = text(options['digest']);
  const file = await readSmall(named, call, {
    subject: 'releases add',
    needed: 'the file of a catalogue',
    next,
    limit: 'configuration',
  });
  const change = await addCatalogue(context, {
    ...askingOf(call),
    content: file.content,
    place: isAddress(named) ? file.place : file.name,
    digest: digest === undefined ? undefined : digestOf(digest),
    signature: signature === undefined ? undefined : await signatureOf(signature, call, next),
  });
  const { name, serial, earlierSerial, signedBy, versions, changed, dryRun } = change;
  const what = `the catalogue ${name}, serial ${serial}, ${versions.length === 1 ? '1 release' : `${versions.length} releases`}`;
  const proof = signedBy === undefined ? '' : `, signed by ${signedBy}`;
  const replaces = earlierSerial === undefined || earlierSerial === serial ? '' : `, in place of serial ${earlierSerial}`;
  const [version] = versions;
  return {
    kind: 'Catalogue',
    body: change,
    made: changed && !dryRun,
    text: [
      changed ? `${dryRun ? 'would add' : 'added'} ${what}${proof}${replaces}` : `${what} is there already`,
      ...(version === undefined || dryRun ? [] : [`Next: kata-sysext install ${name}@${version}`]),
    ],
  };
}

async function removed(call: Call, name: string): Promise<Reply> {
  const { removeCatalogue } = await import('../../runner/catalogues.ts');
  const change = await removeCatalogue(call.context, { ...askingOf(call), name });
  const { dryRun } = change;
  return {
    kind: 'Catalogue',
    body: change,
    made: !dryRun,
    text: [`${dryRun ? 'would remove' : 'removed'} the catalogue ${name}; what was installed from it stays`],
  };
}

function askingOf({ options }: Call): { dryRun: boolean; waitSeconds: number } {
  return { dryRun: options['dry-run'] === true, waitSeconds: Number(options['wait'] ?? 0) };
}

async function listed({ context: { host } }: Call): Promise<Reply> {
  const own = ownCatalogue();
  const others = await addedCatalogues(host);
  const installed = (await activeGeneration(host))?.manifest.release;
  const catalogues = [ofProgram(own), ...others.map((each) => ofHost(each, host.now()))];
  return { kind: 'Releases', body: { installed, catalogues }, text: lines(catalogues, installed) };
}

/** A catalogue as it is listed. */
interface Listed extends Catalogue {
  serial?: number | undefined;
  notAfter?: string | undefined;
  expired?: boolean;
  signedBy?: string | undefined;
}

function ofProgram({ name, origin, releases }: Catalogue): Listed {
  return { name, origin, releases };
}

function ofHost({ name, origin, releases, serial, notAfter, stored }: AddedCatalogue, now: Date): Listed {
  const expired = notAfter !== undefined && Date.parse(notAfter) <= now.getTime();
  return { name, origin, serial, notAfter, expired, signedBy: stored.proof?.key, releases };
}

const heads = ['RELEASE', 'PUBLISHED', 'DEFAULT', 'ARCHITECTURE', 'SHIMS', 'SIZE', 'ARCHIVE'];

function lines(catalogues: Listed[], installed: string | undefined): string[] {
  const rows = catalogues.flatMap(({ name: catalogue, releases }) =>
    releases.flatMap(({ version, published = '', handler, archives }) =>
      archives.map(({ name, architecture, families, sizeBytes }, index) => [
        index > 0 ? '' : `${catalogue}@${version}${version === installed ? ' ●' : ''}`,
        index > 0 ? '' : published,
        index > 0 ? '' : handler,
        architecture,
        families.join(', '),
        sizeBytes === undefined ? '' : bytes(sizeBytes),
        name,
      ]),
    ),
  );
  const newest = catalogues[0]?.releases[0]?.version;
  return [
    ...tableLines(heads, rows),
    ...catalogues.map((each) => `${each.name}: ${[each.origin, ...aboutHost(each)].join(', ')}`),
    ...(newest === undefined ? [] : [`Next: kata-sysext install kata@${newest}`]),
  ];
}

function aboutHost({ serial, notAfter, expired, signedBy }: Listed): string[] {
  if (serial === undefined) return [];
  const until = notAfter === undefined ? [] : [`${expired === true ? 'expired at' : 'until'} ${notAfter}`];
  return [`serial ${serial}`, ...until, signedBy === undefined ? 'not signed' : `signed by ${signedBy}`];
}

function usage(found: string, needed: string): KataError {
  return new KataError('usage', { subject: 'releases', found, needed, next });
}
