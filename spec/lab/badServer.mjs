// A file server that fails as it is told: node badServer.mjs PORT FOLDER. On standard input a line names the mode from then on:
// well, 404, wrong (other bytes), half (the connection dies in the middle), slow (a trickle), busy (503). Each request is a line on standard output.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';

const [port, folder] = process.argv.slice(2);
let mode = 'well';
createInterface({ input: process.stdin })
  .on('line', (line) => {
    mode = line;
    console.log(`mode ${mode}`);
  })
  .on('close', () => process.exit(0));

const answers = {
  404: (_request, response) => response.writeHead(404).end('not here\n'),
  busy: (_request, response) => response.writeHead(503).end('later\n'),
  wrong: (_request, response) => response.writeHead(200).end('other bytes\n'),
  half: (request, response) => send(request, response, (size, from) => from + Math.ceil((size - from) / 2)),
  slow: (_request, response) => {
    response.writeHead(200, { 'content-length': 1 << 30 });
    const trickle = setInterval(() => response.write('.'), 200);
    response.on('close', () => clearInterval(trickle));
  },
  well: (request, response) => send(request, response, (size) => size),
};

createServer((request, response) => {
  console.log(`${mode} ${request.url} ${request.headers.range ?? 'whole'}`);
  answers[mode](request, response);
}).listen(Number(port), '127.0.0.1', () => console.log('listening'));

/** Sends up to `until`; what is promised is always the whole. */
function send(request, response, until) {
  const file = join(folder, basename(request.url));
  const { size } = statSync(file);
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const end = until(size, from);
  const ranged = from > 0 ? { 'content-range': `bytes ${from}-${size - 1}/${size}` } : {};
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': size - from, 'accept-ranges': 'bytes', ...ranged });
  const stream = createReadStream(file, { start: from, end: end - 1 });
  stream.pipe(response, { end: end === size });
  if (end < size) stream.on('end', () => response.destroy());
}
