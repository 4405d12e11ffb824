/** Interfaces of machines without `/proc`, as the library systeminformation tells of them: it knows no packet counts. */
import type { Host } from '../../src/component.ts';

/** What `networkStats('*')` says of one interface. */
export interface NetworkStatsItem {
  readonly iface: string;
  readonly rx_bytes: number;
  readonly rx_dropped: number;
  readonly rx_errors: number;
  readonly tx_bytes: number;
  readonly tx_dropped: number;
  readonly tx_errors: number;
}

/** Asked again within 500 ms, the library answers 0 for drops and errors. */
const LEAST_INTERVAL_MS = 600;

export function createElsewhere(host: Host): () => Promise<readonly NetworkStatsItem[]> {
  let items: readonly NetworkStatsItem[] = [];
  let askedAt_ms = -Infinity;
  return async () => {
    if (performance.now() - askedAt_ms < LEAST_INTERVAL_MS) return items;
    const { networkStats } = await host.systeminformation();
    items = await networkStats('*');
    askedAt_ms = performance.now();
    return items;
  };
}
