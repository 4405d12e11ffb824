/** Ports for servers that have to know theirs before they listen, or that come and go. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const LOWEST = 10_000;
/** Tests run beside each other: of so many ports each has one, of which no other takes any. */
const SHARES = 16;
/** Vitest numbers the workers that run at a time. */
const share = Number(process.env['VITEST_POOL_ID'] ?? 0) % SHARES;
/** A server that was given one may not listen yet, or not just now. The first is one that `fetch` refuses to call. */
const given = new Set([10_080]);

/**
 * A loopback port that is free now, that nobody else in this run of the tests is given, and that the kernel gives to
 * nobody for a connection: whoever calls a closed port out of the range of those may get it as its own, and is then
 * connected with itself.
 */
export async function freePort(): Promise<number> {
  const [low] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1').split('\t').map(Number);
  const shareSize = Math.floor((Math.max(low!, LOWEST + 100 * SHARES) - LOWEST) / SHARES);
  for (;;) {
    const port = LOWEST + share + SHARES * Math.floor(Math.random() * shareSize);
    if (given.has(port)) continue;
    given.add(port);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}
