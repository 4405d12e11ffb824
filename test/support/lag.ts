/** What a receiver that was run measured of its own lag. */
import type { ReceiverRun } from './collect.ts';

/** Records and their delays together, in seconds, since the receiver began. */
export async function lagsOf(run: ReceiverRun): Promise<{ readonly count: number; readonly sum: number }> {
  for (const { series, points } of await run.collect()) {
    for (const [row, { metric }] of series.entries()) {
      if (metric.name !== 'sonde.source.lag') continue;
      const { count, sum } = points![row] as unknown as { readonly count: bigint; readonly sum: number };
      return { count: Number(count), sum };
    }
  }
  return { count: 0, sum: 0 };
}
