#!/usr/bin/env node
import { constants } from 'node:os';
import { main } from './commands/run.ts';
import { escaped } from './report/index.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

// From a checkout npm changes the folder, and a unit of ours starts in /: INIT_CWD is where the user stood. Elsewhere it is anybody's.
const fromSources = process.env['npm_lifecycle_event'] !== undefined && process.argv[1]?.endsWith('/cli/main.ts') === true;
const moved = fromSources || process.env['KATA_SYSEXT_UNIT'] !== undefined;
const cwd = (moved ? process.env['INIT_CWD'] : undefined) ?? process.cwd();

// The reader of our output may go away (a closed pipe, a lost terminal): that must not end a change in the middle.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const faults = ['uncaughtException', 'unhandledRejection'] as const;

const ended = main(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd,
  onSignal: (callback) => {
    const listeners = signals.map((name) => {
      const listener = () => callback(constants.signals[name]);
      process.on(name, listener);
      return () => process.off(name, listener);
    });
    return () => {
      for (const stop of listeners) stop();
    };
  },
  onFault: (callback) => {
    const listener = (error: unknown) => {
      // For the case that whatever we wait for never comes.
      process.exitCode = 1;
      callback(error);
    };
    for (const name of faults) process.on(name, listener);
    return () => {
      for (const name of faults) process.off(name, listener);
    };
  },
});

ended.then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    process.stderr.write(`${escaped(String(error instanceof Error ? error.stack : error))}\n`);
    process.exitCode = 1;
  },
);
