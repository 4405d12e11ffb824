/** Time stamps as they end a line. */

export type Precision = 'ns' | 'us' | 'ms' | 's';

const NANOSECONDS: Readonly<Record<Precision, bigint>> = { ns: 1n, us: 1_000n, ms: 1_000_000n, s: 1_000_000_000n };
/** InfluxDB keeps the two largest and smallest for itself. */
const LATEST = 2n ** 63n - 3n;

export interface Clock {
  /** ` 1700000000\n` of Unix nanoseconds; undefined where they are unknown (0), or beyond the year 2262. */
  stamp(time: bigint): Uint8Array | undefined;
}

/** Remembers the last: in a batch most are the same. */
export function createClock(precision: Precision): Clock {
  const unit = NANOSECONDS[precision];
  let last = 0n;
  let stamped: Uint8Array | undefined;
  return {
    stamp(time) {
      if (time === last) return stamped;
      last = time;
      stamped = time > 0n && time <= LATEST ? Buffer.from(` ${time / unit}\n`) : undefined;
      return stamped;
    },
  };
}
