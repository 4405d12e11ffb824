import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createRandom } from '../../../bench/anomaly_series.ts';
import anomaly from '../../../processors/anomaly/index.ts';
import { loadKept } from '../../../src/anomaly/state_file.ts';
import { catalog } from '../../../src/cli/catalog.ts';
import { loadRegistry } from '../../../src/config/registry.ts';
import { RetryableError } from '../../../src/errors.ts';
import type { Finding } from '../../../src/rules/board.ts';
import { createStage, makeAgent } from '../../support/agent.ts';
import { eventually } from '../../support/eventually.ts';
import { metric, metricBatch, type ProcessorRun, runProcessor, series, table } from '../../support/processor.ts';

const { processors } = await loadRegistry(catalog);

const START_S = 1_793_577_600;
const GAUGE = metric('load', { kind: 'gauge', valueType: 'double' });
const LAYOUT = [1, 2, 3, 4].map((a) => series(GAUGE, { a }));

beforeEach(() => void vi.useFakeTimers({ now: START_S * 1000 }));
afterEach(() => void vi.useRealTimers());

function stateFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'anomaly-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'state', 'anomaly.bin');
}

function listen({ board }: ProcessorRun): Finding[] {
  const findings: Finding[] = [];
  board.listen((finding) => void findings.push(finding));
  return findings;
}

/** One batch a minute, on the clock. */
async function feed(run: ProcessorRun, rows: number, values: () => number[]): Promise<void> {
  for (let row = 0; row < rows; row++) {
    await run.consume(metricBatch(LAYOUT, values(), { time: BigInt(Date.now()) * 1_000_000n }));
    await vi.advanceTimersByTimeAsync(60_000);
  }
}

const own = (run: ProcessorRun) => run.metrics().filter(({ collection }) => collection?.receiver === 'anomaly');

describe('anomaly', () => {
  test('passes every batch as it is, and tells what is anomalous once it knows what is normal', async () => {
    const run = runProcessor(anomaly, { keep: false });
    const findings = listen(run);
    const random = createRandom(1);
    const calm = () => LAYOUT.map(() => 50 + random.gaussian());
    await run.processor.start!();
    await feed(run, 119, calm);
    expect(run.said.filter((line) => !line.startsWith('over'))).toEqual([
      'info Learning what is normal: anomalies are told of series that are known for a while',
    ]);
    expect(table(own(run).at(-1)!).slice(0, 3)).toEqual([
      ['sonde.anomaly.rate', {}, 0],
      ['sonde.anomaly.series', { 'sonde.anomaly.state': 'learning' }, 4],
      ['sonde.anomaly.series', { 'sonde.anomaly.state': 'normal' }, 0],
    ]);
    await feed(run, 100, calm);
    expect(run.said).toContain('info The first series are known well enough: anomalies are told from now on');
    expect(findings).toEqual([]);
    const values = calm();
    values[2] = 90;
    const batch = metricBatch(LAYOUT, values, { time: BigInt(Date.now()) * 1_000_000n });
    await run.consume(batch);
    expect(run.out.at(-1)).toBe(batch);
    expect(findings).toMatchObject([{ eventName: 'anomaly.detected', attributes: { a: 3, 'anomaly.value': 90 } }]);
    await vi.advanceTimersByTimeAsync(60_000);
    const report = own(run).at(-1)!;
    expect(table(report)[0]).toEqual(['sonde.anomaly.rate', {}, 0.25]);
    await feed(run, 30, calm);
    expect(findings.at(-1)).toMatchObject({
      eventName: 'anomaly.ended',
      attributes: { 'anomaly.outcome': 'recovered' },
    });
    // Five minutes after the end.
    expect(table(own(run).at(-1)!)[0]).toEqual(['sonde.anomaly.rate', {}, 0]);
    await run.processor.stop!();
  });

  test('looks only at what is selected, and not at what someone asked for', async () => {
    const run = runProcessor(anomaly, {
      keep: false,
      include: [{ metric_names: ['load'], attributes: [{ key: 'a', value: 1 }] }],
      exclude: [{ metric_names: ['x*'], match: 'glob' }],
    });
    await run.processor.start!();
    const collection = { receiver: 'load', onDemand: true };
    await run.consume(metricBatch(LAYOUT, [1, 2, 3, 4], { collection }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(own(run)).toEqual([]);
    await run.consume(metricBatch(LAYOUT, [1, 2, 3, 4]));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(table(own(run)[0]!)[1]).toEqual(['sonde.anomaly.series', { 'sonde.anomaly.state': 'learning' }, 1]);
    await run.processor.stop!();
  });

  test('goes on after a restart with what it has learnt', async () => {
    const state_file = stateFile();
    const random = createRandom(2);
    const calm = () => LAYOUT.map(() => 50 + random.gaussian());
    const before = runProcessor(anomaly, { state_file });
    await before.processor.start!();
    await feed(before, 200, calm);
    await before.processor.stop!();
    expect(existsSync(state_file)).toBe(true);
    const after = runProcessor(anomaly, { state_file });
    const findings = listen(after);
    await after.processor.start!();
    await feed(after, 1, () => [90, 50, 50, 50]);
    expect(findings).toMatchObject([{ attributes: { a: 1 } }]);
    await after.processor.stop!();
    const other = runProcessor(anomaly, { state_file, interval: '30s' });
    await other.processor.start!();
    expect(other.said[0]).toMatch('for another interval');
    await other.processor.stop!();
  });

  test('hands over at a reload what it has learnt, also what is not in the file yet', async () => {
    const state_file = stateFile();
    const before = runProcessor(anomaly, { state_file });
    await before.processor.start!();
    await feed(before, 2, () => [1, 2, 3, 4]);
    const after = runProcessor(anomaly, { state_file, sensitivity: 2 });
    await after.processor.start!();
    await before.processor.stop!();
    expect(existsSync(state_file)).toBe(false);
    await after.processor.stop!();
    expect(loadKept(state_file)!.series).toHaveLength(4);
  });

  test('shares its file with no other', async () => {
    const state_file = stateFile();
    const first = runProcessor(anomaly, { state_file });
    await first.processor.start!();
    const second = runProcessor({ ...anomaly, type: 'anomaly/second' }, { state_file });
    expect(() => second.processor.start!()).toThrow(
      `Cannot keep what was learnt in "${state_file}": that of logs/anomaly is there`,
    );
    await second.processor.stop!();
    await first.processor.stop!();
  });

  test('sets a damaged file aside, says so, and learns anew', async () => {
    const state_file = stateFile();
    const run = runProcessor(anomaly, { state_file });
    await run.processor.start!();
    await feed(run, 2, () => [1, 2, 3, 4]);
    await run.processor.stop!();
    const bytes = readFileSync(state_file);
    bytes[100]! ^= 1;
    writeFileSync(state_file, bytes);
    const after = runProcessor(anomaly, { state_file });
    await after.processor.start!();
    expect(after.said[0]).toBe('warn Cannot read what was learnt: its checksum differs; all series are learnt anew');
    expect(existsSync(`${state_file}.bad`)).toBe(true);
    await after.processor.stop!();
  });

  test('neither sets aside nor replaces what is no file', async () => {
    const state_file = import.meta.dirname;
    const run = runProcessor(anomaly, { state_file });
    await run.processor.start!();
    expect(run.said[0]).toBe(`warn Cannot use "${state_file}": it is no ordinary file; all series are learnt anew`);
    await feed(run, 2, () => [1, 2, 3, 4]);
    await run.processor.stop!();
    expect(run.said.at(-1)).toMatch('Cannot keep what was learnt: Cannot use');
    expect(existsSync(`${state_file}.new`)).toBe(false);
  });

  test('says once that what was learnt cannot be kept', async () => {
    // A file is no folder.
    const run = runProcessor(anomaly, { state_file: join(import.meta.filename, 'anomaly.bin') });
    await run.processor.start!();
    await feed(run, 1, () => [1, 2, 3, 4]);
    await run.processor.stop!();
    expect(run.said.filter((line) => line.startsWith('once save: Cannot keep what was learnt'))).toHaveLength(1);
  });

  test('looks at the series of a configured group together', async () => {
    const run = runProcessor(anomaly, {
      keep: false,
      groups: [{ name: 'loads', metrics: ['load'] }],
      scores: ['load'],
    });
    await run.processor.start!();
    const random = createRandom(3);
    await feed(run, 300, () => LAYOUT.map(() => random.gaussian()));
    const names = table(own(run).at(-1)!).map((row) => (row as unknown[])[0]);
    expect(names.filter((name) => name === 'sonde.anomaly.score')).toHaveLength(4);
    expect(table(own(run).at(-1)!)).toContainEqual([
      'sonde.anomaly.group.score',
      { 'sonde.anomaly.group': 'loads' },
      expect.any(Number),
    ]);
    await run.processor.stop!();
  });

  test('counts series that there is no room for', async () => {
    const run = runProcessor(anomaly, { keep: false, max_series: 3 });
    await run.processor.start!();
    await feed(run, 2, () => [1, 2, 3, 4]);
    expect(table(own(run).at(-1)!)).toContainEqual(['sonde.anomaly.refused', {}, 1]);
    expect(run.said).toContain('once overflow: More series than max_series: those beyond are not watched');
    await run.processor.stop!();
  });

  test('figures that are refused are said once, and end nothing', async () => {
    const run = runProcessor(anomaly, { keep: false });
    await run.processor.start!();
    run.answer = ({ signal }) => {
      if (signal === 'metrics' && run.metrics().at(-1)!.collection?.receiver === 'anomaly')
        throw new RetryableError('full');
    };
    await feed(run, 3, () => [1, 2, 3, 4]);
    expect(run.said.filter((line) => line.startsWith('once emit:')).length).toBeGreaterThan(0);
    expect(own(run)).toHaveLength(3);
    await run.processor.stop!();
  });
});

test('the books balance with the figures that it adds', async () => {
  vi.useRealTimers();
  const stage = createStage();
  const { agent } = makeAgent(
    {
      receivers: { pushed: {} },
      processors: { anomaly: { keep: false, interval: '5ms' }, 'filter/some': {} },
      exporters: { sink: {} },
      pipelines: { metrics: { receivers: ['pushed'], processors: ['anomaly', 'filter/some'], exporters: ['sink'] } },
    },
    { ...stage, processors: [...stage.processors, ...processors] },
  );
  await agent.start();
  onTestFinished(() => agent.stop());
  const { metrics } = stage.pushed.get('pushed')!.next;
  await metrics!.consume(metricBatch(LAYOUT, [1, 2, 3, 4]));
  const componentOf = (id: string) => agent.figures().components.find((each) => each.id === id)!;
  await eventually(() => expect(componentOf('anomaly').sent).toBeGreaterThan(4 + 2 * 11));
  for (const id of ['anomaly', 'filter/some']) {
    const { accepted, sent, dropped, queued } = componentOf(id);
    expect([accepted, dropped.size, queued]).toEqual([sent, 0, 0]);
  }
  const { books } = agent.figures().pipelines[0]!;
  expect(books.accepted).toBe(books.sent);
  expect(books).toMatchObject({ waiting: 0, refused: 0 });
});
