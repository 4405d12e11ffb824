/** Ports for servers that come and go. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/**
 * A loopback port that is free now, and that the kernel gives to nobody for a connection: whoever calls a closed port out
 * of the range of those may get it as its own, and is then connected with itself.
 */
export async function stablePort(): Promise<number> {
  const [low] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1').split('\t').map(Number);
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * (Math.max(low!, 10_100) - 10_000));
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}
