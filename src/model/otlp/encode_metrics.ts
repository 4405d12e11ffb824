/**
 * Metric batches to ExportMetricsServiceRequest (opentelemetry/proto/collector/metrics/v1).
 *
 * An agent measures the same series again and again, and in the encoded message only times and values differ, both of
 * fixed width. So the message of a layout that comes a second time is kept as a template, and from then on encoding is
 * patching it: 10,000 series in half a millisecond.
 */
import type { Metric, MetricBatch, MetricKind, Temporality } from '../batch.ts';
import type { Layout } from '../layout.ts';
import { writeAttributes } from './any_value.ts';
import { setExactInt, setNumber, writePoint } from './encode_points.ts';
import { groupsOf, type MetricGroup } from './layout_groups.ts';
import { writeResource, writeScope } from './resource.ts';
import { sharedWriter } from './writer.ts';

const DATA_TAG: Readonly<Record<MetricKind, number>> = {
  gauge: 0x2a,
  sum: 0x3a,
  histogram: 0x4a,
  exponential_histogram: 0x52,
  summary: 0x5a,
};
const TEMPORALITY: Readonly<Record<Temporality, number>> = { unspecified: 0, delta: 1, cumulative: 2 };

/**
 * The bytes are the caller's to keep; those of a batch that came encoded (`batch.otlp`) are these very bytes. Several
 * batches follow each other in one request, so a resource that they share is in it more than once.
 */
export function encodeMetrics(batches: MetricBatch | readonly MetricBatch[]): Uint8Array {
  if (!isList(batches)) return encodeBatch(batches);
  const encoded = batches.filter((batch) => batch.count > 0 || batch.otlp !== undefined).map(encodeBatch);
  return encoded.length === 1 ? (encoded[0] as Uint8Array) : Buffer.concat(encoded);
}

function isList(batches: MetricBatch | readonly MetricBatch[]): batches is readonly MetricBatch[] {
  return Array.isArray(batches);
}

function encodeBatch(batch: MetricBatch): Uint8Array {
  if (batch.otlp !== undefined) return batch.otlp;
  if (batch.points !== undefined || batch.flags !== undefined || batch.exemplars !== undefined) {
    render(batch, undefined);
    return sharedWriter.take();
  }
  const template = templates.get(batch.series);
  if (template !== undefined) return template.fill(batch);
  if (!seen.has(batch.series)) {
    // Most layouts of what other agents send come once: a template would only cost memory.
    seen.add(batch.series);
    render(batch, undefined);
    return sharedWriter.take();
  }
  const slots: Slots = { rows: [], positions: [], isInt: [] };
  render(batch, slots);
  const bytes = sharedWriter.take();
  templates.set(batch.series, new Template(bytes, slots));
  return Buffer.from(bytes);
}

const seen = new WeakSet<Layout>();
/** Metrics of sources that last: only of those is it worth keeping what series encode to. */
const knownMetrics = new WeakSet<Metric>();
const templates = new WeakMap<Layout, Template>();

/** Where the time of each point is in a message, in the order of the message; tag and value follow 8 bytes later. */
interface Slots {
  readonly rows: number[];
  readonly positions: number[];
  readonly isInt: boolean[];
}

class Template {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #rows: Uint32Array;
  readonly #positions: Uint32Array;
  readonly #isInt: Uint8Array;
  /** By row; made when a batch has exact values. */
  #slotOfRow: Uint32Array | undefined;

  constructor(bytes: Uint8Array, { rows, positions, isInt }: Slots) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#rows = Uint32Array.from(rows);
    this.#positions = Uint32Array.from(positions);
    this.#isInt = Uint8Array.from(isInt, Number);
  }

  fill({ values, time, times, exactValues }: MetricBatch): Uint8Array {
    const bytes = this.#bytes;
    const view = this.#view;
    const rows = this.#rows;
    const positions = this.#positions;
    const isInt = this.#isInt;
    const low = Number(time & 0xffff_ffffn);
    const high = Number(time >> 32n);
    for (let slot = 0; slot < rows.length; slot++) {
      const row = rows[slot] as number;
      const position = positions[slot] as number;
      if (times === undefined) {
        view.setUint32(position, low, true);
        view.setUint32(position + 4, high, true);
      } else view.setBigUint64(position, times[row] as bigint, true);
      setNumber(bytes, view, position + 8, values[row] as number, isInt[slot] === 1);
    }
    if (exactValues !== undefined) this.#setExactValues(exactValues);
    return Buffer.from(bytes);
  }

  #setExactValues(exactValues: ReadonlyMap<number, bigint>): void {
    if (this.#slotOfRow === undefined) {
      this.#slotOfRow = new Uint32Array(this.#rows.length);
      for (let slot = 0; slot < this.#rows.length; slot++) this.#slotOfRow[this.#rows[slot] as number] = slot;
    }
    for (const [row, value] of exactValues) {
      const slot = this.#slotOfRow[row];
      if (slot === undefined || this.#isInt[slot] !== 1) continue;
      setExactInt(this.#bytes, this.#view, (this.#positions[slot] as number) + 8, value);
    }
  }
}

/** Writes the whole message into the shared writer, and, if asked, where times and values are. */
function render(batch: MetricBatch, slots: Slots | undefined): void {
  const writer = sharedWriter;
  // What an encoder that threw left behind.
  writer.position = 0;
  for (const { resource, scopes } of groupsOf(batch.series)) {
    const firstOfResource = slots?.rows.length ?? 0;
    const resourceSize = expectedSize(scopes.flatMap((scope) => scope.metrics));
    const resourceStart = writer.begin(0x0a, resourceSize);
    writeResource(writer, resource);
    for (const { scope, metrics } of scopes) {
      const firstOfScope = slots?.rows.length ?? 0;
      const scopeSize = expectedSize(metrics);
      const scopeStart = writer.begin(0x12, scopeSize);
      writeScope(writer, scope);
      for (const group of metrics) renderMetric(batch, group, slots);
      if (scope.schemaUrl !== '') writer.string(0x1a, scope.schemaUrl);
      shiftSlots(slots, firstOfScope, writer.end(scopeStart, scopeSize));
    }
    if (resource.schemaUrl !== '') writer.string(0x1a, resource.schemaUrl);
    shiftSlots(slots, firstOfResource, writer.end(resourceStart, resourceSize));
  }
}

function renderMetric(batch: MetricBatch, group: MetricGroup, slots: Slots | undefined): void {
  const writer = sharedWriter;
  const { metric, rows } = group;
  const first = slots?.rows.length ?? 0;
  const size = expectedSize([group]);
  const metricStart = writer.begin(0x12, size);
  writer.string(0x0a, metric.name);
  if (metric.description !== '') writer.string(0x12, metric.description);
  if (metric.unit !== '') writer.string(0x1a, metric.unit);
  const dataStart = writer.begin(DATA_TAG[metric.kind], size);
  // A template has the attributes in it: to keep those of each series as well would take twice the memory.
  const isKept = slots === undefined && knownMetrics.has(metric);
  knownMetrics.add(metric);
  for (const row of rows) {
    const position = writePoint(writer, batch, row, isKept);
    if (slots === undefined) continue;
    slots.rows.push(row);
    slots.positions.push(position);
    slots.isInt.push(metric.valueType === 'int');
  }
  writeAggregation(metric);
  shiftSlots(slots, first, writer.end(dataStart, size));
  if (metric.metadata !== undefined) writeAttributes(writer, 0x62, metric.metadata);
  shiftSlots(slots, first, writer.end(metricStart, size));
}

function writeAggregation({ kind, temporality, isMonotonic }: Metric): void {
  if (kind === 'gauge' || kind === 'summary') return;
  if (temporality !== 'unspecified') sharedWriter.uint(0x10, TEMPORALITY[temporality]);
  if (kind === 'sum' && isMonotonic) sharedWriter.uint(0x18, 1);
}

/** Slots of a message move along when its length takes more or fewer bytes than expected. */
function shiftSlots(slots: Slots | undefined, first: number, shift: number): void {
  if (slots === undefined || shift === 0) return;
  for (let slot = first; slot < slots.positions.length; slot++)
    slots.positions[slot] = (slots.positions[slot] as number) + shift;
}

/** Roughly how many bytes the points take: a right guess of the width of a length saves moving what follows it. */
function expectedSize(groups: readonly MetricGroup[]): number {
  let points = 0;
  for (const { rows } of groups) points += rows.length;
  return 32 + 100 * points;
}
