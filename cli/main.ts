#!/usr/bin/env node
import { constants } from 'node:os';
import { main } from './commands/run.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

// From a checkout npm changes the folder; INIT_CWD is where the user stood.
const cwd = process.env['INIT_CWD'] ?? process.cwd();

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
});

ended.then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  },
);
