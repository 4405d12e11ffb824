/** Over what a kernel 6.18 answered: test/fixtures/sock_diag. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Direction } from '../../../receivers/connections/directions.ts';
import { endingOf } from '../../../receivers/connections/endings.ts';
import { parseTcpCounts, parseTimeWaits } from '../../../receivers/connections/kernel_counts.ts';
import { createProcSource } from '../../../receivers/connections/proc_net.ts';
import {
  addressText,
  LOCAL,
  localPort,
  PEER,
  peerPort,
  PORTS,
  Sighting,
  TCP,
  UDP,
} from '../../../receivers/connections/sighting.ts';
import { Ended, encodeDumpRequest, readEnds, readPage } from '../../../receivers/connections/sock_diag.ts';
import { createHost } from '../../../src/procfs/host.ts';
import { createMachine } from '../../support/machines.ts';

const fixture = (name: string): Buffer => readFileSync(join('test/fixtures/sock_diag', name));

function text({ transport, family, words, state, isTimeWait, inode }: Sighting): string {
  const local = `${addressText(words, LOCAL, family)} ${localPort(words[PORTS])}`;
  const peer = `${addressText(words, PEER, family)} ${peerPort(words[PORTS])}`;
  return [transport, family, local, peer, state, isTimeWait, inode].join(' ');
}

function dumped(name: string, transport = TCP): { readonly sockets: string[]; readonly isLast: boolean } {
  const sockets: string[] = [];
  const { isLast, error } = readPage(fixture(name), transport, new Sighting(), (seen) => sockets.push(text(seen)));
  expect(error).toBe(0);
  return { sockets, isLast };
}

async function listed(files: Record<string, Uint8Array | string>, transports = [TCP]): Promise<string[]> {
  const { root } = createMachine(files);
  const sockets: string[] = [];
  const source = createProcSource(createHost({ rootPath: root }), '/proc/1/net');
  await source.dump(
    transports,
    (seen) => sockets.push(text(seen)),
    () => false,
  );
  return sockets;
}

describe('readPage', () => {
  test('readPage reads connections of IPv4 with their round-trip times', () => {
    const trips: number[] = [];
    readPage(fixture('tcp.bin'), TCP, new Sighting(), ({ rtt_us, state }) => {
      if (state === 1) trips.push(rtt_us);
    });
    expect(trips.length).toBeGreaterThan(0);
    expect(trips.every((rtt_us) => rtt_us > 0 && rtt_us < 1e6)).toBe(true);
  });
  test('readPage reads listeners, mapped addresses and connections of IPv6', () => {
    const { sockets, isLast } = dumped('tcp6.bin');
    expect(isLast).toBe(true);
    expect(sockets.map((socket) => socket.replace(/ \d+$/, ' INODE')).toSorted()).toEqual([
      '6 10 127.0.0.1 18080 127.0.0.1 53510 1 false INODE',
      '6 10 127.0.0.1 18080 127.0.0.1 53522 1 false INODE',
      '6 10 :: 18080 :: 0 10 false INODE',
      '6 10 ::1 18080 ::1 45124 1 false INODE',
      '6 10 ::1 45124 ::1 18080 1 false INODE',
    ]);
  });
  test('readPage reads sockets of UDP', () => {
    expect(dumped('udp6.bin', UDP).sockets).toEqual([expect.stringMatching(/^17 10 :: 18053 :: 0 7 false \d+$/)]);
  });
  test.each(['tcp6', 'tcp', 'udp6'])('netlink and /proc/net tell the same of %s', async (name) => {
    const transport = name === 'udp6' ? UDP : TCP;
    const files = {
      [`proc/1/net/${name.replace('6', '')}`]: 'heading\n',
      [`proc/1/net/${name}`]: fixture(`proc_net_${name}.txt`),
    };
    const isSettled = (socket: string): boolean => !/ (true|false) 0$/.test(socket);
    const ofFiles = (await listed(files, [transport])).filter(isSettled);
    expect(ofFiles.length).toBeGreaterThan(0);
    expect(ofFiles.toSorted()).toEqual(dumped(`${name}.bin`, transport).sockets.filter(isSettled).toSorted());
  });
  test('readPage tells an error of the kernel', () => {
    const message = Buffer.alloc(36);
    message.writeUInt32LE(36, 0);
    message.writeUInt16LE(2, 4);
    message.writeInt32LE(-2, 16);
    expect(readPage(message, TCP, new Sighting(), () => expect.unreachable())).toMatchObject({
      isLast: true,
      error: 2,
    });
  });
  test('readPage reads or throws a SyntaxError, wherever it is cut off and whatever bytes are changed', () => {
    const whole = fixture('tcp6.bin');
    const change = fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255) });
    fc.assert(
      fc.property(fc.nat(whole.length), fc.array(change, { maxLength: 4 }), (length, changes) => {
        const page = Buffer.from(whole);
        for (const { at, byte } of changes) page[at] = byte;
        let count = 0;
        try {
          readPage(page.subarray(0, length), TCP, new Sighting(), () => count++);
          readEnds(page.subarray(0, length), new Ended(), () => count++);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
        expect(count).toBeLessThanOrEqual(2 * (whole.length / 88));
      }),
    );
  });
});

test('encodeDumpRequest leaves out connections in time-wait unless they are asked for', () => {
  const states = (withTimeWait: boolean): number =>
    encodeDumpRequest({ family: 2, transport: TCP, withTimeWait, withInfo: false }).readUInt32LE(20);
  expect(states(true) & ~states(false)).toBe(1 << 6);
});

interface End {
  readonly ports: string;
  readonly ending: string;
  readonly sent: number;
  readonly received: number;
}

function ends(name: string, listening: readonly number[]): End[] {
  const all: End[] = [];
  readEnds(fixture(name), new Ended(), (ended) => {
    const { words } = ended.socket;
    all.push({
      ports: `${localPort(words[PORTS])} ${peerPort(words[PORTS])}`,
      ending: endingOf(ended, listening.includes(localPort(words[PORTS])) ? 'incoming' : 'outgoing'),
      sent: ended.sent_bytes,
      received: ended.received_bytes,
    });
  });
  return all.toSorted((a, b) => a.ports.localeCompare(b.ports));
}

describe('endingOf', () => {
  test('endingOf tells an end in order by its acknowledgement', () => {
    expect(ends('ends_fin.bin', [18080])).toEqual([
      { ports: '18080 53510', ending: 'fin', sent: 5, received: 11 },
      { ports: '53510 18080', ending: 'fin', sent: 10, received: 6 },
    ]);
  });
  test('endingOf tells who was reset from who threw the connection away', () => {
    expect(ends('ends_reset.bin', [18080])).toEqual([
      { ports: '18080 53522', ending: 'reset', sent: 5, received: 10 },
      { ports: '53522 0', ending: 'abort', sent: 0, received: 0 },
    ]);
  });
  test('endingOf tells that an attempt was refused', () => {
    expect(ends('ends_refused.bin', [18080])).toEqual([
      { ports: expect.stringMatching(/^\d+ 1$/), ending: 'refused', sent: 0, received: 0 },
    ]);
  });
  test.each<[string, Partial<Ended>, Direction | undefined, string]>([
    ['no answer to an attempt', { segmentsIn: 0 }, 'outgoing', 'timeout'],
    [
      'no answer any more',
      { hasAcknowledged: true, acknowledgedBeyondData: 1, isUnanswered: true },
      'outgoing',
      'timeout',
    ],
    ['data that was not acknowledged', { hasAcknowledged: true, acknowledgedBeyondData: -900 }, 'incoming', 'reset'],
    ['a peer that sent nothing and was never answered', { segmentsIn: 3 }, 'incoming', 'reset'],
    ['no tcp_info', { hasInfo: false }, 'incoming', 'unknown'],
    ['an end or a beginning', { hasAcknowledged: true, acknowledgedBeyondData: 1 }, undefined, 'unknown'],
    ['an end and a beginning', { hasAcknowledged: true, acknowledgedBeyondData: 2 }, undefined, 'fin'],
    ['neither', { hasAcknowledged: true, acknowledgedBeyondData: 0 }, undefined, 'reset'],
    ['nothing', {}, undefined, 'unknown'],
  ])('endingOf of %s', (_, facts, direction, ending) => {
    const ended = Object.assign(new Ended(), { hasInfo: true, ...facts });
    ended.socket.words[PORTS] = 0x5000_5000;
    expect(endingOf(ended, direction)).toBe(ending);
  });
  test('readEnds reads sockets of UDP and listeners, which have no peer', () => {
    const transports: number[] = [];
    const take = ({ socket }: Ended): number => transports.push(socket.transport, peerPort(socket.words[PORTS]));
    readEnds(fixture('ends_udp.bin'), new Ended(), take);
    readEnds(fixture('ends_listen.bin'), new Ended(), take);
    expect(transports).toEqual([UDP, 0, TCP, 0]);
  });
});

describe('createProcSource', () => {
  const heading = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
  const line = (port: number): string => {
    const hex = port.toString(16).toUpperCase().padStart(4, '0');
    return `   0: 0100007F:${hex} 0200007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 ${port} 1 0 20 4 30 10 -1\n`;
  };

  test('createProcSource reads lists longer than its buffer, in pieces', async () => {
    const ports = Array.from({ length: 5000 }, (_, i) => i + 1);
    const sockets = await listed({ 'proc/1/net/tcp': heading + ports.map(line).join('') });
    expect(sockets).toEqual(ports.map((port) => `6 2 127.0.0.1 ${port} 127.0.0.2 80 1 false ${port}`));
  });
  test('createProcSource refuses a list that is cut off in a line', async () => {
    const file = heading + line(1) + line(2).slice(0, 70);
    await expect(listed({ 'proc/1/net/tcp': file })).rejects.toThrow(SyntaxError);
  });
  test('createProcSource stops when its time is over', async () => {
    const { root } = createMachine({ 'proc/1/net/tcp': heading + line(1).repeat(5000) });
    const source = createProcSource(createHost({ rootPath: root }), '/proc/1/net');
    expect(
      await source.dump(
        [TCP],
        () => undefined,
        () => true,
      ),
    ).toBe(false);
  });
  test('createProcSource refuses a machine without the list', async () => {
    await expect(listed({})).rejects.toThrow('ENOENT');
  });
});

describe('parseTcpCounts', () => {
  test('parseTcpCounts reads the counts by their names', () => {
    expect(parseTcpCounts(fixture('proc_net_snmp.txt'))).toEqual({
      activeOpens: expect.any(Number),
      passiveOpens: expect.any(Number),
      attemptFails: expect.any(Number),
      resets: expect.any(Number),
    });
    const file = Buffer.from(
      'Ip: A\nIp: 1\nTcp: MaxConn EstabResets AttemptFails PassiveOpens New ActiveOpens\nTcp: -1 4 3 2 9 1\n',
    );
    expect(parseTcpCounts(file)).toEqual({ activeOpens: 1, passiveOpens: 2, attemptFails: 3, resets: 4 });
  });
  test.each([[''], ['Tcp: ActiveOpens\n'], ['Tcp: ActiveOpens PassiveOpens AttemptFails EstabResets\nTcp: 1 2 3\n']])(
    'parseTcpCounts refuses %j',
    (file) => {
      expect(() => parseTcpCounts(Buffer.from(file))).toThrow(SyntaxError);
    },
  );
});

test('parseTimeWaits reads the connections in time-wait', () => {
  expect(parseTimeWaits(Buffer.from('sockets: used 1\nTCP: inuse 27 orphan 0 tw 14 alloc 30 mem 2\n'))).toBe(14);
  expect(parseTimeWaits(fixture('proc_net_sockstat.txt'))).toBeGreaterThanOrEqual(0);
  expect(() => parseTimeWaits(Buffer.from('TCP: inuse 27\n'))).toThrow(SyntaxError);
});

describe('addressText', () => {
  const words = (bytes: readonly number[]): Uint32Array => new Uint32Array(Uint8Array.from(bytes).buffer);
  test.each([
    ['::', Array(16).fill(0)],
    ['2001:db8::1:0:0:1', [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]],
    ['2001:db8:0:1:1:1:1:1', [0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]],
    ['fe80::', [0xfe, 0x80, ...Array(14).fill(0)]],
    ['10.1.2.3', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3]],
  ])('addressText writes %s', (address, bytes: number[]) => {
    expect(addressText(words(bytes), 0, 10)).toBe(address);
  });
  test('addressText writes what URL parsers write', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        fc.pre(bytes.subarray(0, 10).some((byte) => byte !== 0));
        const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! * 256 + bytes[2 * i + 1]!).toString(16));
        const written = new URL(`http://[${groups.join(':')}]/`).hostname;
        expect(`[${addressText(words([...bytes]), 0, 10)}]`).toBe(written);
      }),
    );
  });
});
