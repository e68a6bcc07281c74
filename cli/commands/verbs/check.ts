import { check } from '../../inspect/check.ts';
import { findingLines } from '../../report/index.ts';
import { text } from '../options.ts';
import type { Call, Reply } from '../types.ts';

export async function run({ context, options }: Call): Promise<Reply> {
  const [backend, engine] = [text(options['backend']), text(options['engine'])];
  const seen = await check(context.host, { ...(backend === undefined ? {} : { backend }), ...(engine === undefined ? {} : { engine }) });
  const { host } = seen;
  const lines = [
    ...findingLines(seen.findings),
    `host:    ${host.os} (${host.kind}, ${host.architecture}${host.ostree ? ', ostree' : ''}), SELinux ${host.selinux}`,
    seen.engine === undefined
      ? 'engine:  none'
      : `engine:  ${seen.engine.name} ${seen.engine.version ?? 'of unknown version'}, ${seen.engine.configPath}`,
    `backend: ${seen.backend}`,
    seen.ready ? '✓ ready. Next: kata-sysext install BUNDLE' : '✗ not ready: see above',
  ];
  return { kind: 'Check', body: seen, text: lines, exitCode: seen.ready ? 0 : 3 };
}
