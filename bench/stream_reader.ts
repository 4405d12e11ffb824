/** A process that opens so many streams and throws away what comes: `node bench/stream_reader.ts PORT CLIENTS websocket|event_source|none`. */
import { connect } from 'node:net';

const [port, clients, transport] = process.argv.slice(2) as [string, string, string];
const upgrade =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
for (let count = 0; count < Number(clients); count++) {
  const socket = connect(Number(port), '127.0.0.1');
  socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${transport === 'websocket' ? upgrade : ''}\r\n`);
  socket.resume();
}
