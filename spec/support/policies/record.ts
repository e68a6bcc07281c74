/**
 * Records what a compiled policy answers to the questions of overlays/policyQuestions.json, for specs without SELinux; of the policies as
 * they are (debian, fedora) also what a node pod needs.
 * usage: npx tsx spec/support/policies/record.ts POLICY NAME ENGINE,… VM,…   writes NAME.txt beside this file
 * Needs cc and libsepol-dev. POLICY is of a version that this libsepol reads: `policy-version` in semanage.conf, then semodule -B.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askedOfPod } from './nodePodNeeds.ts';

const [policy, name, engines = '', machines = ''] = process.argv.slice(2);
const here = import.meta.dirname;
const { questions, devices } = JSON.parse(readFileSync(join(here, '../../../overlays/policyQuestions.json'), 'utf8')) as {
  questions: { class: string }[];
  devices: Record<string, string>;
};
const files = 'bin_t usr_t lib_t ld_so_t etc_t var_t var_lib_t container_ro_file_t qemu_exec_t container_runtime_exec_t'.split(' ');
const domains = [...engines.split(','), ...machines.split(',')];
const process_ = (type: string) => `system_u:system_r:${type}:s0${machines.split(',').includes(type) ? ':c1,c2' : ''}`;
const object = (type: string) => `system_u:object_r:${type}:s0`;
const classes = [...new Set(questions.map((question) => question.class))];
const ofDomains = ['process', 'fd', 'unix_stream_socket', 'tun_socket', 'vsock_socket'];
const ofFiles = ['file', 'dir', 'lnk_file'];

const asked = [
  ...classes.map((each) => `known ${each}`),
  ...['container_engine_exec_t', ...files, ...new Set(Object.values(devices))].map((type) => `type ${type}`),
  ...domains.flatMap((source) => [
    ...ofDomains.flatMap((each) => domains.map((target) => `access ${process_(source)} ${process_(target)} ${each}`)),
    ...ofFiles.flatMap((each) => files.map((type) => `access ${process_(source)} ${object(type)} ${each}`)),
    ...[...new Set(Object.values(devices))].map((type) => `access ${process_(source)} ${object(type)} chr_file`),
  ]),
  ...engines.split(',').flatMap((source) => files.map((type) => `create ${process_(source)} ${object(type)} process`)),
  ...(name === 'debian' || name === 'fedora' ? askedOfPod(name) : []),
];
const lines = [...new Set(asked)];

const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-judge-'));
try {
  const built = spawnSync('cc', [join(here, 'judge.c'), '-o', join(folder, 'judge'), '-l:libsepol.a'], { encoding: 'utf8' });
  if (built.status !== 0) throw new Error(built.stderr);
  const { stdout } = spawnSync(join(folder, 'judge'), [policy!], { input: `${lines.join('\n')}\n`, encoding: 'utf8' });
  const answers = stdout.split('\n').map((line) => line.trim());
  const told = lines.map((line, index) => `${line} = ${answers[index]}`).filter((line) => !line.endsWith('= invalid'));
  writeFileSync(join(here, `${name}.txt`), `${told.join('\n')}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
