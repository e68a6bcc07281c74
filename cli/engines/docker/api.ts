import { request } from 'node:http';
import { parseJson } from '../../documents/index.ts';
import { KataError } from '../../errors/index.ts';
import type { Unit } from '../../systemd/types.ts';
import { facts } from './facts.ts';

/** The answer to one GET at a socket, whole, as JSON. */
export interface Ask {
  socket: string;
  /** Of the daemon, for a person to look at. */
  unit?: Unit | undefined;
  /** '/info': nothing from outside is ever a part of it. */
  path: string;
  timeoutMs: number;
  maxBytes: number;
  /** Gives the first line of an answer that goes on, in place of the whole. */
  firstLine?: boolean;
}

/**
 * Asks dockerd's API. Throws KataError `failed` for everything that is no answer in time, too large, no JSON, or another status than 200;
 * the message has nothing of the answer.
 */
export async function ask({ socket, unit, path, timeoutMs, maxBytes, firstLine = false }: Ask): Promise<unknown> {
  const text = await new Promise<string>((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const fail = (why: string) => reject(failed(path, unit, why));
    const asked = request({ socketPath: socket, path, method: 'GET', headers: { Host: 'docker' }, agent: false, signal }, (answer) => {
      const pieces: Buffer[] = [];
      let size = 0;
      if (answer.statusCode !== 200) {
        fail(`its status is ${answer.statusCode}`);
        asked.destroy();
        return;
      }
      answer.on('data', (piece: Buffer) => {
        size += piece.length;
        pieces.push(piece);
        const line = firstLine && piece.includes('\n') ? Buffer.concat(pieces).toString('utf8').split('\n')[0] : undefined;
        if (size > maxBytes) fail(`it has more than ${maxBytes} bytes`);
        else if (line !== undefined) resolve(line);
        else return;
        asked.destroy();
      });
      answer.on('end', () => resolve(Buffer.concat(pieces).toString('utf8')));
      answer.on('error', () => fail(signal.aborted ? `it is not whole after ${timeoutMs} ms` : 'it breaks off'));
    });
    asked.on('error', (error: NodeJS.ErrnoException) =>
      fail(signal.aborted ? `there is none after ${timeoutMs} ms` : (error.code ?? 'no answer')),
    );
    asked.end();
  });
  try {
    return parseJson(text, { maxBytes });
  } catch {
    throw failed(path, unit, 'it is no JSON');
  }
}

function failed(path: string, unit: Unit | undefined, why: string): KataError {
  return new KataError('failed', {
    subject: path,
    found: `Docker’s answer to ${path.split('?')[0]}: ${why}`,
    needed: 'an answer',
    next: `systemctl status ${unit ?? facts.units[0]}`,
  });
}
