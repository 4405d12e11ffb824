import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Owner, Owners } from '../../../receivers/connections/owners.ts';
import type { Report } from '../../../receivers/connections/report.ts';
import {
  IPV4,
  LOCAL,
  localPort,
  PEER,
  peerPort,
  PORTS,
  Sighting,
  TCP,
  UDP,
} from '../../../receivers/connections/sighting.ts';
import { Ended } from '../../../receivers/connections/sock_diag.ts';
import type { Identity } from '../../../receivers/connections/socket_table.ts';
import { createTracker, type Tracker } from '../../../receivers/connections/tracker.ts';

const ESTABLISHED = 1;
const SYN_SENT = 2;
const TIME_WAIT = 6;
const LISTEN = 10;
const LOCALHOST = 0x0100_007f;

interface Seen {
  readonly local: number;
  readonly peer?: number;
  readonly inode?: number;
  readonly state?: number;
  readonly transport?: number;
  readonly isTimeWait?: boolean;
  readonly cookie?: number;
}

const networkOrder = (port: number): number => ((port & 0xff) << 8) | (port >> 8);

function fill(
  seen: Sighting,
  { local, peer = 0, inode = 0, state = ESTABLISHED, ...more }: Seen,
  identity: Identity,
): Sighting {
  seen.transport = more.transport ?? TCP;
  seen.family = IPV4;
  seen.state = state;
  seen.isTimeWait = more.isTimeWait ?? false;
  seen.inode = inode;
  seen.words[PORTS] = (networkOrder(local) | (networkOrder(peer) << 16)) >>> 0;
  seen.words[LOCAL] = LOCALHOST;
  seen.words[PEER] = peer === 0 ? 0 : LOCALHOST;
  const isShared = state === LISTEN || seen.transport === UDP;
  seen.words[10] = identity === 'cookie' ? (more.cookie ?? local) : isShared ? inode : 0;
  return seen;
}

interface Run {
  readonly tracker: Tracker;
  /** One pass that sees these, and what it told: `open 1000-80`. */
  look(
    sockets: readonly Seen[],
    options?: { readonly how?: 'fin' | 'unknown'; readonly isCertain?: boolean },
  ): Promise<string[]>;
  /** The kernel tells of an end. */
  end(socket: Seen, facts: Partial<Ended>): string[];
}

function run({
  identity = 'addresses' as Identity,
  tellsEnds = false,
  limit = 1000,
  owners = undefined as Owners | undefined,
} = {}): Run {
  let told: string[] = [];
  const report: Report = {
    happened(happening, { words, owner }, { ending }) {
      const more = [ending, owner?.name].filter((part) => part !== undefined).join(' ');
      told.push(`${happening} ${localPort(words[PORTS])}-${peerPort(words[PORTS])} ${more}`.trim());
    },
    notice: () => expect.unreachable(),
  };
  const portRange = { first: 32_768, last: 60_999 };
  const tracker = createTracker({ identity, tellsEnds }, { limit, report, portRange });
  const seen = new Sighting();
  let passes = 0;
  const taken = (): string[] => {
    const all = told;
    told = [];
    return all;
  };
  return {
    tracker,
    async look(sockets, { how = 'unknown', isCertain = !tellsEnds } = {}) {
      tracker.begin(passes++ === 0);
      for (const socket of sockets) tracker.see(fill(seen, socket, identity), false);
      if (passes > 1) tracker.sweep(how, how, isCertain);
      await tracker.finish(owners);
      return taken();
    },
    end(socket, facts) {
      const ended = Object.assign(new Ended(), { hasInfo: true, ...facts });
      fill(ended.socket, { state: 7, ...socket }, 'cookie');
      tracker.end(ended);
      return taken();
    },
  };
}

describe('passes', () => {
  test('tell what one shows and the other does not, whatever the order: the difference of the sets', async () => {
    const socket = fc.record({ local: fc.integer({ min: 1, max: 40 }), isListener: fc.boolean() });
    const pass = fc.uniqueArray(socket, {
      selector: ({ local, isListener }) => `${local} ${isListener}`,
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(pass, { minLength: 2, maxLength: 6 }),
        fc.constantFrom<Identity>('cookie', 'addresses'),
        async (passes, identity) => {
          const { look, tracker } = run({ identity });
          let before: string[] | undefined;
          for (const sockets of passes) {
            const told = await look(
              sockets.map(({ local, isListener }) =>
                isListener
                  ? { local, state: LISTEN, inode: local, cookie: 1000 + local }
                  : { local, peer: 80, inode: 100 + local },
              ),
            );
            const now = sockets.map(({ local, isListener }) => `${local}-${isListener ? 0 : 80}`);
            if (before !== undefined) {
              const isOpening = (text: string): boolean => text.endsWith('-0');
              const opened = now.filter((one) => !before!.includes(one));
              const ended = before.filter((one) => !now.includes(one));
              expect(told.toSorted()).toEqual(
                [
                  ...opened.map((one) => (isOpening(one) ? `listen ${one}` : `open ${one}`)),
                  ...ended.map((one) => (isOpening(one) ? `listen_end ${one}` : `close ${one} unknown`)),
                ].toSorted(),
              );
            } else expect(told).toEqual([]);
            expect(tracker.table.size).toBe(sockets.length);
            expect(tracker.listeners).toBe(sockets.filter(({ isListener }) => isListener).length);
            expect(tracker.rows.connections).toBe(sockets.filter(({ isListener }) => !isListener).length);
            before = now;
          }
        },
      ),
    );
  });

  test('see another socket where the inode is another’s', async () => {
    const { look } = run();
    await look([{ local: 1000, peer: 80, inode: 1 }]);
    expect(await look([{ local: 1000, peer: 80, inode: 2 }])).toEqual(['close 1000-80 unknown', 'open 1000-80']);
  });
  test('see the same socket when it is accepted, and when its process lets go of it', async () => {
    const { look } = run();
    await look([]);
    expect(await look([{ local: 1000, peer: 80 }])).toEqual(['open 1000-80']);
    expect(await look([{ local: 1000, peer: 80, inode: 2 }])).toEqual([]);
    expect(await look([{ local: 1000, peer: 80, state: 5 }])).toEqual([]);
    expect(await look([])).toEqual(['close 1000-80 unknown']);
  });
  test('see another socket where one was closing', async () => {
    const { look } = run();
    await look([{ local: 1000, peer: 80, state: 5 }]);
    expect(await look([{ local: 1000, peer: 80, inode: 3 }])).toEqual(['close 1000-80 unknown', 'open 1000-80']);
  });
  test('tell an end in order by the time-wait, once, and an unseen connection by it', async () => {
    const { look, tracker } = run();
    const waiting = { local: 1000, peer: 80, state: TIME_WAIT, isTimeWait: true };
    await look([
      { local: 1000, peer: 80, inode: 1 },
      { ...waiting, local: 999 },
    ]);
    expect(await look([waiting, { ...waiting, local: 1001 }])).toEqual(['close 1000-80 fin', 'close 1001-80 fin']);
    expect(await look([waiting])).toEqual([]);
    expect(await look([])).toEqual([]);
    expect(tracker.table.size).toBe(0);
    expect(tracker.rows).toMatchObject({ noticed: 1, connections: 0, closed: { fin: 2 } });
  });
  test('tell an attempt when it comes about, and when it fails', async () => {
    const { look } = run();
    await look([]);
    const attempt = { local: 1000, peer: 80, inode: 1, state: SYN_SENT };
    expect(await look([attempt, { ...attempt, local: 1001, inode: 2 }])).toEqual([]);
    expect(await look([{ ...attempt, state: ESTABLISHED }])).toEqual(['fail 1001-80 unknown', 'open 1000-80']);
  });
  test('keep listeners at one address apart, and sockets of UDP', async () => {
    const { look, tracker } = run();
    await look([]);
    const listener = { local: 80, state: LISTEN };
    const bound = { local: 53, state: 7, transport: UDP };
    const told = await look([
      { ...listener, inode: 1 },
      { ...listener, inode: 2 },
      { ...bound, inode: 3 },
    ]);
    expect(told).toEqual(['listen 80-0', 'listen 80-0', 'bind 53-0']);
    expect([tracker.listeners, tracker.udp]).toEqual([2, 1]);
    expect(await look([{ ...listener, inode: 2 }])).toEqual(['listen_end 80-0', 'unbind 53-0']);
  });
  test('count what finds no room, and forget nothing of it', async () => {
    const { look, tracker } = run({ limit: 2 });
    const all = [1, 2, 3, 4].map((local) => ({ local, peer: 80, inode: local }));
    await look(all);
    expect(tracker).toMatchObject({ untracked: 2, untrackedConnections: 2, rows: { connections: 2 } });
    expect(tracker.states[ESTABLISHED]).toBe(4);
    expect(await look(all)).toEqual([]);
  });
});

describe('100,000 sockets', () => {
  test('take some 100 bytes each, also when all of them are others each time', async () => {
    const { look, tracker } = run({ limit: 100_000 });
    const sockets = (from: number): Seen[] =>
      Array.from({ length: 100_000 }, (_, i) => ({
        local: (i % 50_000) + 1,
        peer: from + Math.floor(i / 50_000),
        inode: from + i,
      }));
    await look(sockets(1));
    const told = await look(sockets(10));
    // Ends are found behind what is new, which found no room.
    expect(told.length).toBe(100_000);
    expect(tracker.untracked).toBe(100_000);
    await look(sockets(20));
    const { table } = tracker;
    const columns = [
      table.words,
      table.kind,
      table.state,
      table.flags,
      table.inode,
      table.pass,
      table.since_ms,
      table.owner,
      table.tries,
    ];
    const bytes = columns.reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(table.size).toBeLessThanOrEqual(100_000);
    expect(bytes / 131_072).toBeLessThan(90);
  });
});

describe('notices of the kernel', () => {
  const connection = { local: 40_000, peer: 80, cookie: 7 };

  test('end what is known, with its addresses, though the kernel has forgotten them', async () => {
    const { look, end } = run({ identity: 'cookie', tellsEnds: true });
    await look([]);
    await look([connection]);
    expect(end({ ...connection, peer: 0 }, {})).toEqual(['reset 40000-80 abort']);
    expect(await look([])).toEqual([]);
  });
  test('tell of connections that no pass saw', async () => {
    const { look, end, tracker } = run({ identity: 'cookie', tellsEnds: true });
    await look([{ local: 443, state: LISTEN, cookie: 1 }]);
    expect(end({ local: 443, peer: 50_000, cookie: 8 }, { hasAcknowledged: true, acknowledgedBeyondData: 1 })).toEqual([
      'close 443-50000 fin',
    ]);
    expect(end({ ...connection, cookie: 9 }, { segmentsIn: 1 })).toEqual(['fail 40000-80 refused']);
    expect(end({ local: 40_001, cookie: 10 }, {})).toEqual([]);
    expect(end({ local: 53, transport: UDP, cookie: 11 }, { hasInfo: false })).toEqual(['unbind 53-0']);
    expect(tracker.rows).toMatchObject({ noticed: 2, closed: { fin: 1, refused: 0 } });
  });
  test('tell an attempt that came about and ended since as a connection', async () => {
    const { look, end } = run({ identity: 'cookie', tellsEnds: true });
    await look([]);
    await look([{ ...connection, state: SYN_SENT }]);
    expect(end(connection, { hasAcknowledged: true, acknowledgedBeyondData: 2 })).toEqual(['close 40000-80 fin']);
  });
  test('are waited for: a connection that is gone, but held, ends a pass later, and once', async () => {
    const { look, end } = run({ identity: 'cookie', tellsEnds: true });
    await look([connection]);
    expect(await look([])).toEqual([]);
    expect(await look([])).toEqual(['close 40000-80 unknown']);
    expect(end(connection, { hasAcknowledged: true })).toEqual([]);
  });
  test('are not waited for when some were lost', async () => {
    const { look, tracker } = run({ identity: 'cookie', tellsEnds: true });
    await look([connection]);
    expect(await look([], { isCertain: true })).toEqual(['close 40000-80 unknown']);
    expect(tracker.table.size).toBe(0);
  });
  test('make a time-wait needless', async () => {
    const { look, tracker } = run({ identity: 'cookie', tellsEnds: true });
    await look([{ ...connection, state: 5, isTimeWait: true }]);
    expect(tracker.table.size).toBe(0);
  });
});

test('a process is looked for again, but not for ever', async () => {
  let searches = 0;
  const owner = { number: 0, name: 'curl', connections: 0, sockets: 0 } as Owner;
  const owners: Owners = {
    all: new Map(),
    denied: 0,
    async search(inodes, found) {
      searches++;
      if (inodes.has(1)) found(1, owner);
      return true;
    },
    get: () => owner,
    release: () => void owner.sockets--,
    close: () => undefined,
  };
  const { look } = run({ owners });
  await look([]);
  const sockets = [1, 2].map((inode) => ({ local: inode, peer: 80, inode }));
  expect(await look(sockets)).toEqual(['open 1-80 curl', 'open 2-80']);
  for (let pass = 0; pass < 5; pass++) await look(sockets);
  expect(searches).toBe(2);
  expect(owner).toMatchObject({ connections: 1, sockets: 1 });
  expect(await look([])).toEqual(['close 1-80 unknown curl', 'close 2-80 unknown']);
  expect(owner).toMatchObject({ connections: 0, sockets: 0 });
});
