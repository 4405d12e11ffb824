import { expect, test } from 'vitest';
import { createExposition } from '../../../exporters/prometheus/exposition.ts';
import { createCompiler } from '../../../exporters/prometheus/families.ts';
import { negotiateFormat } from '../../../exporters/prometheus/negotiation.ts';
import { createRenderer, type Body } from '../../../exporters/prometheus/scrape.ts';
import type { Source } from '../../../exporters/prometheus/store.ts';
import { Series, type Metric } from '../../../src/model/batch.ts';
import { createLabels } from '../../../src/prometheus/labels.ts';

const RESOURCE = { attributes: {}, schemaUrl: '' };
const SCOPE = { name: '', version: '', attributes: {}, schemaUrl: '' };
const TEXT = negotiateFormat(undefined);

function metric(name: string, kind: 'gauge' | 'sum' = 'gauge'): Metric {
  return {
    name,
    description: '',
    unit: '',
    kind,
    isMonotonic: kind === 'sum',
    temporality: 'cumulative',
    valueType: 'int',
  };
}

function source(series: readonly Series[], values: readonly number[]): Source {
  return { series, values: Float64Array.from(values), points: undefined, exemplars: undefined };
}

function rows(name: string, count: number, kind: 'gauge' | 'sum' = 'gauge'): Series[] {
  const one = metric(name, kind);
  return Array.from({ length: count }, (_, i) => new Series(RESOURCE, SCOPE, one, { i }, 0n));
}

function renderer() {
  let rendered = 0;
  const strategy = 'UnderscoreEscapingWithoutSuffixes';
  const labels = createLabels(
    { strategy, hasScopeLabels: false, promoted: [], constant: {}, ownResource: RESOURCE, isPushed: false },
    'underscores',
  );
  const compiler = createCompiler({ names: { strategy, namespace: '' }, format: TEXT, labels, hasCreated: false });
  const { body } = createRenderer(
    () => createExposition(compiler, 'text'),
    () => rendered++,
  );
  return {
    get: (version: number, sources: readonly Source[]) => body(TEXT, 'identity', version, () => sources, 0) as Body,
    zip: (version: number, sources: readonly Source[]) => body(TEXT, 'gzip', version, () => sources, 0),
    rendered: () => rendered,
  };
}

test('createRenderer renders once for all who want the same while nothing changed', () => {
  const { get, rendered } = renderer();
  const sources = [source(rows('a', 3), [1, 2, 3])];
  const bodies = [get(1, sources), get(1, sources)];
  expect(bodies[0]!.bytes).toBe(bodies[1]!.bytes);
  expect(rendered()).toBe(1);
  get(2, sources);
  expect(rendered()).toBe(2);
});

test('createRenderer compresses once for all who want the same', async () => {
  const { zip } = renderer();
  const sources = [source(rows('a', 3), [1, 2, 3])];
  expect((await zip(1, sources)).bytes).toBe((await zip(1, sources)).bytes);
  // A large one is compressed elsewhere; whoever comes meanwhile shares that too.
  const large = [
    source(
      rows('a', 60_000),
      Array.from({ length: 60_000 }, () => 1e15),
    ),
  ];
  const [first, second] = await Promise.all([zip(2, large), zip(2, large)]);
  expect(first.bytes).toBe(second.bytes);
});

test('createRenderer leaves a body alone as long as it is being sent', () => {
  const { get } = renderer();
  const series = rows('a', 100);
  const at = (value: number) => [
    source(
      series,
      Array.from({ length: 100 }, () => value),
    ),
  ];
  const slow = get(1, at(1));
  const expected = slow.bytes.toString();
  for (let version = 2; version < 10; version++) {
    const body = get(version, at(version * 10 ** version));
    expect(body.bytes.toString()).toContain(`a{i="99"} ${version * 10 ** version}\n`);
    body.done();
  }
  expect(slow.bytes.toString()).toBe(expected);
  slow.done();
  // Its buffer may now be taken again, without harm to what was rendered last.
  for (let version = 10; version < 15; version++) {
    const body = get(version, at(version));
    expect(body.bytes.toString()).toBe(expected.replaceAll(' 1\n', ` ${version}\n`));
    body.done();
  }
});

test('createRenderer writes two buffers in turn once they are large enough', () => {
  const { get } = renderer();
  const series = rows('a', 100);
  const buffers = new Set<ArrayBufferLike>();
  for (let version = 1; version < 20; version++) {
    const body = get(version, [
      source(
        series,
        Array.from({ length: 100 }, () => version),
      ),
    ]);
    buffers.add(body.bytes.buffer);
    body.done();
  }
  expect(buffers.size).toBe(2);
});

test('createExposition shows lines again that a conflict had hidden, though buffers were written over meanwhile', () => {
  const { get } = renderer();
  const gauge = rows('a', 50);
  const counter = rows('a', 50, 'sum');
  const text = (version: number, sources: readonly Source[]): string => {
    const body = get(version, sources);
    const result = body.bytes.toString();
    body.done();
    return result;
  };
  const values = (value: number) => Array.from({ length: 50 }, () => value);
  const before = text(1, [source(counter, values(7))]);
  for (let version = 2; version < 6; version++) {
    expect(text(version, [source(gauge, values(version)), source(counter, values(7))])).toContain('# TYPE a gauge');
  }
  expect(text(6, [source(counter, values(7))])).toBe(before);
});
