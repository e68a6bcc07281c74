import { codes, didYouMean, exitText, KataError } from '../../errors/index.ts';
import type { Call, Reply } from '../types.ts';

/** Lines of a pipe come at once; an ssh session or a script's open pipe may never send any. */
const silentMs = 3_000;

export async function run({ words, io, context }: Call): Promise<Reply> {
  const [code] = words;
  if (code !== undefined && code !== '-') return explainCode(code);
  const note = {
    kind: 'note',
    text: 'reading lines of events or logs from standard input, until its end (for the list of codes: explain </dev/null)',
  } as const;
  const waiting = setTimeout(() => context.emit(note), silentMs);
  const read = async () => (code === '-' || io.input?.given() === true ? await explainInput(io, code === '-') : undefined);
  const said = await read().finally(() => clearTimeout(waiting));
  if (said !== undefined) return said;
  return { kind: 'Codes', body: { codes }, text: Object.entries(codes).map(([name, row]) => `${name.padEnd(26)} ${row.explain}`) };
}

function explainCode(code: string): Reply {
  const row = Object.hasOwn(codes, code) ? codes[code] : undefined;
  if (row === undefined)
    throw new KataError('unknown-code', {
      subject: code,
      found: `there is no code “${code}”${didYouMean(code, Object.keys(codes))}`,
      needed: 'a code as an error names it',
      next: 'kata-sysext explain',
    });
  const way = row.overridable ? `It can be overridden: --allow ${code}` : 'It cannot be overridden.';
  return { kind: 'Codes', body: { codes: { [code]: row } }, text: [`${code} (exit status ${exitText(row)})`, row.explain, way] };
}

/** What events and log lines on standard input mean; undefined: it is empty, and `-` was not given. Throws `failure-unknown`. */
async function explainInput(io: Call['io'], asked: boolean): Promise<Reply | undefined> {
  const { explainText, maxInputBytes } = await import('../../failures/index.ts');
  const bytes = (await io.input?.read(maxInputBytes)) ?? Buffer.alloc(0);
  if (bytes.length === 0 && !asked) return undefined;
  const { failures, lines, cut } = explainText(bytes.toString());
  const rest = cut ? ', the first of a longer input' : '';
  if (failures.length === 0)
    throw new KataError('failure-unknown', {
      subject: 'standard input',
      found: `none of its ${lines} lines${rest} is a failure that this version knows`,
      needed: 'events of a pod, or lines of the log of the engine or the shim',
      next: 'kubectl describe pod NAME | kata-sysext explain; journalctl -t kata -n 200 | kata-sysext explain; all that a person needs who looks into it: kata-sysext report -o FILE',
    });
  const text = failures.flatMap(({ id, first, lines: count, cause, next }) => [
    `! ${id}${count === 1 ? '' : ` (${count} lines)`}`,
    `    line:   ${first}`,
    `    cause:  ${cause}`,
    ...next.map((command, index) => `    ${index === 0 ? 'next:  ' : '       '} ${command}`),
  ]);
  return { kind: 'Explanation', body: { failures, lines, cut }, text: cut ? [...text, `Only the first ${lines} lines were read.`] : text };
}
