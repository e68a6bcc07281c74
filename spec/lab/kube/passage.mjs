// Accepts the connections of a socket that it is sent, and passes each on to an address. It runs in the network of that address; the socket
// stays one of the network where it was made.
import net from 'node:net';

const [address, port] = process.argv.slice(2);

process.once('disconnect', () => process.exit());
process.once('message', (_, server) => {
  server.on('connection', (near) => {
    const far = net.connect(Number(port), address);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  process.send('ready');
});
