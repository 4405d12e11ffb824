import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countConnections, ListedSocket, TCP_STATES, visitSockets } from '../../src/procfs/inet_sockets.ts';

const HEADING = '  sl  local_address rem_address   st tx_queue rx_queue\n';
const line = (state: string, address = '0100007F:1F90'): string =>
  `   0: ${address} ${address} ${state} 00000000:00000000 00:00000000\n`;

function count(text: string): Record<number, number> {
  const counts = new Float64Array(TCP_STATES.length);
  countConnections(Buffer.from(HEADING + text), counts);
  return Object.fromEntries([...counts.entries()].filter(([, sockets]) => sockets > 0));
}

describe('countConnections', () => {
  test('countConnections counts by state, in upper and lower case', () => {
    expect(count(line('01') + line('0A') + line('0a') + line('0B') + line('01'))).toEqual({ 1: 2, 10: 2, 11: 1 });
  });
  test('countConnections reads the longer addresses of IPv6', () => {
    expect(count(line('06', `${'0'.repeat(32)}:1F90`))).toEqual({ 6: 1 });
  });
  test('countConnections reads line numbers of any width', () => {
    expect(count(line('01').replace('   0:', '123456:'))).toEqual({ 1: 1 });
  });
  test('countConnections leaves a state out that a newer kernel has', () => {
    expect(count(line('0D') + line('FF') + line('01'))).toEqual({ 1: 1 });
  });
  test('countConnections finds nothing in an empty file', () => {
    const counts = new Float64Array(13);
    countConnections(Buffer.alloc(0), counts);
    expect(counts.every((sockets) => sockets === 0)).toBe(true);
  });
  test.each([['cut off\n'], ['\n'], [line('0').trimEnd()], [line('XY')], ['   0: 0100007F:1F90 0100007F:1F90 01']])(
    'countConnections refuses the line %j, and counts the others',
    (bad) => {
      const counts = new Float64Array(13);
      const file = Buffer.from(HEADING + line('01') + bad);
      expect(() => countConnections(file, counts)).toThrow(SyntaxError);
      expect(counts[1]).toBe(1);
    },
  );
  test('countConnections returns or throws a SyntaxError, whatever the bytes', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.constantFrom(HEADING, line('01'), line('0A').slice(0, 20)).map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const counts = new Float64Array(13);
        try {
          countConnections(Buffer.concat(pieces), counts);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
        expect(counts[0] >= 0).toBe(true);
      }),
    );
  });
});

describe('ListedSocket', () => {
  const V4 =
    '   0: 0100007F:1F90 0200007F:C350 01 00000000:00000000 02:000015ED 00000000  1000        0 1745667 2 0 20 4 32 11 -1\n';
  const V6 = `   1: ${'0'.repeat(16)}FFFF00000100007F:1F90 ${'0'.repeat(32)}:0000 06 00000000:00000000 03:000010D4 00000000     0        0 0 3 0\n`;

  test('ListedSocket reads addresses of both families as their bytes lie in memory', () => {
    const sockets: unknown[] = [];
    const socket = new ListedSocket();
    visitSockets(Buffer.from(HEADING + V4 + V6), (cursor) => {
      const isRead = socket.read(cursor);
      sockets.push({ ...socket, addresses: Array.from(socket.addresses, (word) => word.toString(16)) });
      return isRead;
    });
    expect(sockets).toEqual([
      {
        ports: 0x50c3_901f,
        addresses: ['100007f', '0', '0', '0', '200007f', '0', '0', '0'],
        isIpv6: false,
        state: 1,
        timer: 2,
        inode: 1_745_667,
      },
      {
        ports: 0x0000_901f,
        addresses: ['0', '0', 'ffff0000', '100007f', '0', '0', '0', '0'],
        isIpv6: true,
        state: 6,
        timer: 3,
        inode: 0,
      },
    ]);
  });
  test('ListedSocket reads or refuses any line, and all that are not cut off', () => {
    const socket = new ListedSocket();
    const lines = V4 + V6;
    fc.assert(
      fc.property(
        fc.nat(lines.length),
        fc.array(fc.tuple(fc.nat(lines.length - 1), fc.nat(255)), { maxLength: 3 }),
        (end, changes) => {
          const file = Buffer.from(HEADING + lines);
          for (const [at, byte] of changes) file[HEADING.length + at] = byte;
          let read = 0;
          try {
            visitSockets(file.subarray(0, HEADING.length + end), (cursor) => {
              const isRead = socket.read(cursor);
              if (isRead) read++;
              return isRead;
            });
          } catch (error) {
            expect(error).toBeInstanceOf(SyntaxError);
          }
          if (changes.length === 0)
            expect(read).toBeGreaterThanOrEqual(Number(end >= V4.length) + Number(end >= lines.length));
        },
      ),
    );
  });
});
