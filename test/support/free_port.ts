/** Ports for listeners that have to know theirs beforehand. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * A port of loopback on which nobody listens. It is below those that the kernel gives to whoever does not choose one
 * (net.ipv4.ip_local_port_range), so that no other test gets it before this one listens there.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 30_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}
