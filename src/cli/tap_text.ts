/** A batch that passed a tap, for people: a line for it, and one for each point or record that is shown of it. */
import { printable } from '../text/printable.ts';
import { eventText, textOf, type EventFrame } from './tail_text.ts';
import { painter, type Terminal } from './terminal.ts';

export interface TapBatch {
  readonly time: string;
  readonly signal: string;
  readonly count: number;
  readonly skipped?: { readonly batches: number; readonly items: number };
  readonly receiver?: string;
  readonly on_demand?: true;
  readonly points?: readonly TapPoint[];
  readonly records?: readonly Omit<EventFrame, 'frame'>[];
}

interface TapPoint {
  readonly metric: string;
  readonly unit: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value?: number | string;
  readonly ended?: true;
  readonly count?: number;
  readonly sum?: number | string;
  readonly min?: number | string;
  readonly max?: number | string;
}

const NOUNS: Readonly<Record<string, string>> = { metrics: 'points', logs: 'records', traces: 'spans' };
const LONGEST = 200;

export function tapText(batch: TapBatch, terminal: Pick<Terminal, 'hasColor' | 'isInteractive'>): string {
  const paint = painter(terminal);
  const { signal, count, receiver, points, records } = batch;
  const shown = points?.length ?? records?.length ?? count;
  const facts = [
    `${count} ${NOUNS[signal] ?? signal}`,
    ...(shown < count ? [`${shown} shown`] : []),
    ...(receiver === undefined ? [] : [`of ${printable(receiver)}`]),
    ...(batch.on_demand === true ? ['for a scrape'] : []),
  ];
  let text = `${paint('dim', batch.time)} ${paint('bold', facts.join(', '))}\n`;
  for (const point of points ?? []) {
    const attributes = Object.entries(point.attributes).map(
      ([key, value]) => `${printable(key, LONGEST)}=${JSON.stringify(printable(textOf(value), LONGEST))}`,
    );
    const labels = attributes.length === 0 ? '' : paint('dim', `{${attributes.join(', ')}}`);
    const unit = point.unit === '' || point.unit === '1' ? '' : ` ${paint('dim', printable(point.unit, LONGEST))}`;
    text += `  ${paint('cyan', printable(point.metric, LONGEST))}${labels} ${valueText(point)}${unit}\n`;
  }
  for (const record of records ?? []) text += `  ${eventText({ frame: 'event', ...record }, terminal)}`;
  return text;
}

function valueText({ value, ended, count, sum, min, max }: TapPoint): string {
  if (ended === true) return 'ended';
  if (count === undefined) return String(value);
  const parts = Object.entries({ count, sum, min, max }).filter(([, part]) => part !== undefined);
  return parts.map(([name, part]) => `${name}=${part}`).join(' ');
}
