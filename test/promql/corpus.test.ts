/** Our engine beside what a real Prometheus 3.5.3 answered over the same samples; test/integration/promql.test.ts asks a live one. */
import { expect, test } from 'vitest';
import { functions } from '../../src/promql/functions/index.ts';
import { HOUR, storeAt } from '../store/store_at.ts';
import { queryableOf } from '../support/queryable.ts';
import { corpusSeries, END_MS } from './corpus/data.ts';
import { disagreements, KNOWN } from './corpus/disagreements.ts';
import { answerInstant, answerRange, corpusEngine } from './corpus/engine_answers.ts';
import { corpusQueries } from './corpus/queries.ts';
import { fingerprintOf, readRecording } from './corpus/recording.ts';
import { errorQueries, unsupportedQueries } from './corpus/refused.ts';

const recording = readRecording();

test('the recording is of the series and queries as they are now', () => {
  expect(recording.version).toMatch(/^3\.5\./);
  expect(fingerprintOf(corpusSeries())).toBe(recording.fingerprint);
  expect(recording.queries).toEqual(corpusQueries());
});

test('the corpus has over a thousand queries with every function that is not refused', () => {
  expect(recording.queries.length).toBeGreaterThan(1000);
  const text = recording.queries.map(({ query }) => query).join('\n');
  const unasked = [...functions.keys()].filter((name) => !new RegExp(String.raw`\b${name}\s*\(`).test(text));
  expect(unasked).toEqual([]);
});

test('the engine answers each query of the corpus as Prometheus did', () => {
  const { unexpected, known } = disagreements(recording.queries, recording.answers);
  expect(unexpected).toEqual([]);
  expect([...known].toSorted()).toEqual([...KNOWN.keys()].toSorted());
}, 60_000);

test('the engine answers each query as well over the store that the agent keeps', () => {
  const clock = { now: 0 };
  const { store, said } = storeAt(clock, { retention_ms: 3 * HOUR, max_bytes: 2 ** 30, max_series: 100_000 });
  const samples = corpusSeries().flatMap(({ labels, times, values, stale, histograms }) =>
    times.map(
      (time, row) => ({ labels, time, value: stale[row] ? 'stale' : (histograms[row] ?? values[row]!) }) as const,
    ),
  );
  for (const { labels, time, value } of samples.toSorted((a, b) => a.time - b.time)) {
    clock.now = time;
    expect(store.append(labels, time, value)).toBeUndefined();
  }
  const { unexpected, known } = disagreements(recording.queries, recording.answers, store);
  expect(unexpected).toEqual([]);
  expect([...known].toSorted()).toEqual([...KNOWN.keys()].toSorted());
  expect(said).toEqual([]);
}, 60_000);

test('the engine refuses what is wrong', () => {
  const engine = corpusEngine(queryableOf(corpusSeries()));
  for (const query of errorQueries) {
    const range = { start_ms: END_MS, end_ms: END_MS, step_ms: 1000 };
    expect.soft(answerInstant(engine, { query, time_ms: END_MS, range }), query).toHaveProperty('refused');
    expect.soft(answerRange(engine, { query, time_ms: END_MS, range }), query).toHaveProperty('refused');
  }
});

test('the engine refuses by name what it does not support', () => {
  const engine = corpusEngine(queryableOf(corpusSeries()));
  for (const { query, name } of unsupportedQueries) {
    expect(() => engine.instant(query, END_MS), query).toThrow(name);
    expect(() => engine.instant(query, END_MS), query).toThrow(/not supported|unknown function/);
  }
});
