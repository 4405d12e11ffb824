/** What the kernel itself counts of TCP, whoever looks: nothing is missing there. */
import { Cursor, key } from '../../src/procfs/bytes.ts';

export interface TcpCounts {
  /** Attempts to connect. */
  readonly activeOpens: number;
  /** Connections that came in. */
  readonly passiveOpens: number;
  /** Handshakes that failed. */
  readonly attemptFails: number;
  /** Connections that ended without their end being exchanged. */
  readonly resets: number;
}

const TCP_LINE = key('Tcp:');
const NAMES = ['ActiveOpens', 'PassiveOpens', 'AttemptFails', 'EstabResets'] as const;

/**
 * From two lines of `/proc/net/snmp` (RFC 4022, `tcp` group), the first of names:
 * `Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab …`
 * `Tcp: 1 200 120000 -1 8 5 1 2 3 …`
 * @throws {SyntaxError}
 */
export function parseTcpCounts(file: Uint8Array): TcpCounts {
  const lines: string[][] = [];
  const cursor = new Cursor(file);
  do {
    if (!cursor.take(TCP_LINE)) continue;
    const fields: string[] = [];
    while (!cursor.isAtLineEnd) fields.push(cursor.field());
    lines.push(fields);
  } while (cursor.nextLine());
  const [names, values] = lines;
  const [activeOpens, passiveOpens, attemptFails, resets] = NAMES.map((name) => {
    const value = values?.[names?.indexOf(name) ?? -1] ?? '';
    if (!/^\d+$/.test(value)) throw new SyntaxError(`Cannot parse /proc/net/snmp: found no number of ${name}`);
    return Number(value);
  });
  return { activeOpens: activeOpens!, passiveOpens: passiveOpens!, attemptFails: attemptFails!, resets: resets! };
}

const TW = key(' tw ');

/**
 * Connections in their time-wait, from `/proc/net/sockstat`: `TCP: inuse 27 orphan 0 tw 14 alloc 30 mem 2`.
 * @throws {SyntaxError}
 */
export function parseTimeWaits(file: Uint8Array): number {
  const at = Buffer.from(file.buffer, file.byteOffset, file.byteLength).indexOf(TW);
  const cursor = new Cursor(file);
  cursor.position = at + TW.length;
  const value = at === -1 ? NaN : cursor.number();
  if (Number.isNaN(value)) throw new SyntaxError('Cannot parse /proc/net/sockstat: found no number of tw');
  return value;
}
