import type { Ran } from '../run.ts';

/** One refusal as the kernel, or a program that asks it, wrote it down. */
export interface Denial {
  /** the types of who asked and of what it asked for */
  source: string;
  target: string;
  class: string;
  permissions: string[];
  comm: string;
  /** the program, where the kernel knew it */
  exe: string;
  /** the file's name or path, '' where there is none */
  path: string;
  /** all records of the event, as they are in the log */
  records: string;
}

/** A place in the audit log; it stays right over reboots. */
export type AuditCursor = number;

type Sh = (script: string) => Promise<Ran>;

const LOG = '/var/log/audit/audit.log';

export async function auditCursor(sh: Sh): Promise<AuditCursor> {
  return Number((await sh(`${SETTLE}\nstat -c %s ${LOG}`)).stdout);
}

/** All denials since the cursor, those of the policy's dontaudit rules too: the lab's policy has none. */
export async function readDenials(sh: Sh, since: AuditCursor = 0): Promise<Denial[]> {
  const { stdout } = await sh(`${SETTLE}\ntail -c +${since + 1} ${LOG}`);
  const events = new Map<string, string[]>();
  for (const line of stdout.split('\n')) {
    const serial = /\bmsg=audit\(([\d.:]+)\):/.exec(line)?.[1];
    if (serial !== undefined) events.set(serial, [...(events.get(serial) ?? []), line]);
  }
  return [...events.values()].flatMap((lines) => lines.filter((line) => REFUSAL.test(line)).map((line) => denialOf(line, lines)));
}

/** Denials with the same asker, target, class, permissions and program, most frequent first: for a failure's message and for people. */
export function summary(denials: readonly Denial[]): string[] {
  const counts = new Map<string, number>();
  for (const one of denials) {
    const row = `${one.source} ${one.target} ${one.class} {${one.permissions.join(' ')}} ${one.comm} ${one.path}`;
    counts.set(row, (counts.get(row) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([row, count]) => `${count} × ${row}`);
}

const REFUSAL = /^type=(AVC|USER_AVC|SELINUX_ERR|USER_SELINUX_ERR)\b.*(\bdenied\b|op=)/;

// auditd writes what it has read; a marker of ours in the log says that all before it is there
const SETTLE = `mark=lab-$$-$(date +%s%N); auditctl -m "$mark" >/dev/null
n=0; until tail -c 65536 ${LOG} | grep -q "$mark"; do n=$((n+1)); [ $n -lt 6000 ] || { echo "auditd writes nothing" >&2; exit 1; }; sleep 0.05; done`;

function denialOf(line: string, records: string[]): Denial {
  const all = records.join('\n');
  const field = (name: string, text = line) => new RegExp(`\\b${name}=("[^"]*"|\\S+)`).exec(text)?.[1]?.replace(/^"|"$/g, '') ?? '';
  const system = records.find((record) => record.startsWith('type=SYSCALL')) ?? line;
  return {
    source: field('scontext').split(':')[2] ?? '',
    target: field('tcontext').split(':')[2] ?? '',
    class: field('tclass'),
    permissions: /denied\s+\{ ([^}]*) \}/.exec(line)?.[1]?.trim().split(' ') ?? [],
    comm: field('comm', line) || field('comm', system),
    exe: field('exe', system),
    path: field('path') || field('name'),
    records: all,
  };
}
