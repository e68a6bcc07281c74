#!/usr/bin/env -S node --jitless --no-expose-wasm
import './harden.ts';
import { resultOutput } from './commands/resultOutput.ts';
import { main } from './commands/run.ts';
import { listenToSignals } from './commands/signals.ts';
import { standardInput } from './commands/standardInput.ts';
import { escaped } from './output/index.ts';

const fromSources = process.argv[1]?.endsWith('/cli/main.ts') === true;
// npm and tsx pass a signal on to this process that the terminal has sent to all processes already.
const signals = listenToSignals(fromSources ? 300 : 0);

// From a checkout npm changes the folder, and a unit of kata-sysext starts in /: INIT_CWD is the user's folder. Elsewhere any program may
// have set it.
const moved = (fromSources && process.env['npm_lifecycle_event'] !== undefined) || process.env['KATA_SYSEXT_UNIT'] !== undefined;
const cwd = (moved ? process.env['INIT_CWD'] : undefined) ?? process.cwd();

// The reader of the output may go away (a closed pipe, a lost terminal): that must not end a change in the middle.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

// Work that waits for what never comes ends with the last timer: that must not look like success.
process.exitCode = 1;

const faults = ['uncaughtException', 'unhandledRejection'] as const;

const output = resultOutput(process.stdout);

const ended = main(process.argv.slice(2), {
  stdout: output,
  stderr: process.stderr,
  input: standardInput(),
  written: output.written,
  env: process.env,
  cwd,
  onSignal: signals.onSignal,
  onFault: (callback) => {
    for (const name of faults) process.on(name, callback);
    return () => {
      for (const name of faults) process.off(name, callback);
    };
  },
});

ended.then(
  (status) => {
    process.exitCode = status;
    signals.endSoon();
    // A process that comes to its end by itself gives signals their defaults back first: one that comes in that moment would end a command
    // that is done. exit() keeps the listeners. What a signal cut off may still hang, and exit() would wait for it.
    if (!signals.seen() && process.stdout.writableLength + process.stderr.writableLength === 0) process.exit(status);
  },
  (error: unknown) => {
    process.stderr.write(`${escaped(String(error instanceof Error ? error.stack : error))}\n`);
    process.exitCode = 1;
  },
);
