/** Shows what passes, for a person who looks: on the standard output, cut to a size that can be read. */
import * as v from 'valibot';
import { definePushExporter } from '../src/component.ts';
import { option } from '../src/config/options.ts';
import type { Batch } from '../src/model/batch.ts';
import { writeStdout } from '../src/text/stdout.ts';
import { logLines } from './debug/logs.ts';
import { metricLines } from './debug/metrics.ts';
import { spanLines } from './debug/spans.ts';

export default definePushExporter({
  type: 'debug',
  about: 'Shows what passes on the standard output, for a person to read.',
  signals: ['metrics', 'logs', 'traces'],
  config: v.strictObject({
    verbosity: option(
      v.picklist(['basic', 'normal', 'detailed']),
      'basic: a line for each batch; normal: and one for each point, record and span; detailed: and all that it says.',
      'basic',
    ),
    max_items: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'Most points, records or spans that are shown of one batch.',
      100,
    ),
  }),
  create({ config: { verbosity, max_items } }) {
    const describe = (batch: Batch): string[] => {
      const lines = [headline(batch)];
      if (verbosity === 'basic') return lines;
      for (const line of itemLines(batch, max_items, verbosity === 'detailed')) lines.push(`  ${line}`);
      if (batch.count > max_items) lines.push(`  … and ${batch.count - max_items} more`);
      return lines;
    };
    return {
      encode: (batch) => [{ body: Buffer.from(`${describe(batch).join('\n')}\n`), count: batch.count }],
      send: ({ body }) => writeStdout(body),
    };
  },
});

function headline(batch: Batch): string {
  switch (batch.signal) {
    case 'metrics': {
      const metrics = new Set(batch.series.map(({ metric }) => metric.name)).size;
      return `metrics: ${count(batch.count, 'point')} of ${count(metrics, 'metric')}`;
    }
    case 'logs':
      return `logs: ${count(batch.count, 'record')}`;
    case 'traces':
      return `traces: ${count(batch.count, 'span')}`;
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function itemLines(batch: Batch, max_items: number, isDetailed: boolean): Iterable<string> {
  switch (batch.signal) {
    case 'metrics':
      return metricLines(batch, max_items, isDetailed);
    case 'logs':
      return logLines(batch, max_items, isDetailed);
    case 'traces':
      return spanLines(batch, max_items, isDetailed);
  }
}
