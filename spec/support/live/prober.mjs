// Asks a CRI socket for its version every 5 ms over raw HTTP/2 until its standard input ends. Prints “ready” at the first answer, and what it saw at the end.
import http2 from 'node:http2';
import net from 'node:net';

const socket = process.argv[2];
const seen = { calls: 0, failed: 0, first: '' };
const open = new Set();
let session;
let isReady = false;

function connected() {
  if (session !== undefined && !session.closed && !session.destroyed) return session;
  session = http2.connect('http://localhost', { createConnection: () => net.connect(socket) });
  session.on('error', () => undefined);
  return session;
}

function failed(why) {
  seen.failed += 1;
  if (seen.first === '') seen.first = String(why);
}

function ask() {
  seen.calls += 1;
  const call = connected().request({
    ':method': 'POST',
    ':path': '/runtime.v1.RuntimeService/Version',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  let status;
  const read = (headers) => {
    status = headers['grpc-status'] ?? status;
  };
  call.on('response', read);
  call.on('trailers', read);
  call.on('data', () => undefined);
  call.on('error', () => undefined);
  open.add(call);
  call.on('close', () => {
    open.delete(call);
    if (status !== '0' && status !== 0) failed(`grpc status ${status}`);
    if (!isReady) process.stdout.write('ready\n');
    isReady = true;
  });
  call.end(Buffer.alloc(5));
}

const timer = setInterval(() => {
  try {
    ask();
  } catch (error) {
    failed(error);
  }
}, 5);

process.stdin.resume();
process.stdin.on('end', () => {
  clearInterval(timer);
  const deadline = Date.now() + 300_000;
  const settled = setInterval(() => {
    if (open.size > 0 && Date.now() < deadline) return;
    clearInterval(settled);
    if (open.size > 0) failed(`${open.size} calls without an answer`);
    process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
  }, 20);
});
