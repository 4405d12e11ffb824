/** What passes a tap, as lines of JSON: each a batch, or a part of it where it is long. */
import type { Batch, LogBatch, MetricBatch, Resource } from '../model/batch.ts';
import { NO_RECORDED_VALUE } from '../model/batch.ts';
import { attributesJson, recordFields } from '../text/record_json.ts';
import { timestampText } from '../text/timestamp.ts';
import { doubleJson, integerJson, textJson } from '../text/value_json.ts';

/** What passed since the last line, and was not shown. */
export interface Skipped {
  batches: number;
  items: number;
}

/** @param now Unix nanoseconds @param most items of the batch that are shown, evenly spread */
export function tapLine(batch: Batch, now: bigint, most: number, skipped: Skipped): string {
  let text = `{"time":"${timestampText(now)}","signal":"${batch.signal}","count":${batch.count}`;
  if (skipped.batches > 0) text += `,"skipped":{"batches":${skipped.batches},"items":${skipped.items}}`;
  if (batch.signal === 'metrics' && batch.collection !== undefined) {
    text += `,"receiver":${textJson(batch.collection.receiver)}`;
    if (batch.collection.onDemand) text += ',"on_demand":true';
  }
  if (batch.signal !== 'traces') text += batch.signal === 'logs' ? logItems(batch, most) : metricItems(batch, most);
  return `${text}}\n`;
}

function logItems({ records }: LogBatch, most: number): string {
  const resources = new Map<Resource, number>();
  const items = rowsOf(records.length, most).map((row) => {
    const record = records[row]!;
    return `{"resource":${indexOf(resources, record.resource)},${recordFields(record)}}`;
  });
  return `${resourcesJson(resources)},"records":[${items.join()}]`;
}

function metricItems(batch: MetricBatch, most: number): string {
  const resources = new Map<Resource, number>();
  const items = rowsOf(batch.series.length, most).map((row) => {
    const { metric, attributes, resource } = batch.series[row]!;
    const head = `"metric":${textJson(metric.name)},"kind":"${metric.kind}","unit":${textJson(metric.unit)}`;
    const time = timestampText(batch.times?.[row] ?? batch.time);
    return `{"resource":${indexOf(resources, resource)},${head},"attributes":${attributesJson(attributes)},"time":"${time}",${valueOf(batch, row)}}`;
  });
  return `${resourcesJson(resources)},"points":[${items.join()}]`;
}

function valueOf({ series, values, flags, exactValues, points }: MetricBatch, row: number): string {
  if (((flags?.[row] ?? 0) & NO_RECORDED_VALUE) !== 0) return '"ended":true';
  const point = points?.[row];
  if (point === undefined) {
    const exact = exactValues?.get(row);
    return `"value":${exact === undefined ? numberJson(values[row]!, series[row]!.metric.valueType) : String(exact)}`;
  }
  const text = [`"count":${String(point.count)}`];
  if (point.sum !== undefined) text.push(`"sum":${numberJson(point.sum)}`);
  if (point.type === 'summary') return text.join();
  if (point.min !== undefined) text.push(`"min":${numberJson(point.min)}`);
  if (point.max !== undefined) text.push(`"max":${numberJson(point.max)}`);
  return text.join();
}

/** JSON has no number for not-a-number and the infinities: they are texts. */
function numberJson(value: number, type: 'int' | 'double' = 'double'): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  return type === 'int' && Number.isInteger(value) ? integerJson(value) : doubleJson(value);
}

function rowsOf(count: number, most: number): number[] {
  const shown = Math.min(count, most);
  return Array.from({ length: shown }, (_, index) => Math.floor((index * count) / shown));
}

function indexOf(resources: Map<Resource, number>, resource: Resource): number {
  const known = resources.get(resource);
  if (known !== undefined) return known;
  resources.set(resource, resources.size);
  return resources.size - 1;
}

function resourcesJson(resources: ReadonlyMap<Resource, number>): string {
  return `,"resources":[${[...resources.keys()].map(({ attributes }) => attributesJson(attributes)).join()}]`;
}
