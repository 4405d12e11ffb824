import { expect, test } from 'vitest';
import { Series, type Metric } from '../../src/model/batch.ts';
import { perLayout, perSeries } from '../../src/model/layout.ts';

const resource = { attributes: {}, schemaUrl: '' };
const scope = { name: '', version: '', attributes: {}, schemaUrl: '' };
const metric = { name: 'm', kind: 'gauge', valueType: 'double' } as Metric;
const createSeries = (id: number): Series => new Series(resource, scope, metric, { id }, 0n);

test('perLayout derives once for each array, whatever is in it', () => {
  const derive = perLayout((layout) => ({ length: layout.length }));
  const layout = [createSeries(1)];
  expect(derive(layout)).toBe(derive(layout));
  expect(derive([...layout])).not.toBe(derive(layout));
});

test('perSeries derives once for each series, undefined too', () => {
  const asked: unknown[] = [];
  const derive = perSeries((series) => void asked.push(series.attributes['id']));
  const [one, two] = [createSeries(1), createSeries(2)];
  for (const series of [one, two, one, two, one]) derive(series);
  expect(asked).toEqual([1, 2]);
});

test('perSeries keeps apart what several derive of one series, also by the same function', () => {
  const make = (series: Series): object => ({ id: series.attributes['id'] });
  const all = [perSeries(make), perSeries(make), perSeries(() => 'text'), perSeries(() => undefined)];
  const series = createSeries(1);
  const first = all.map((derive) => derive(series));
  expect(all.map((derive) => derive(series))).toEqual(first);
  expect(all[0]!(series)).toBe(first[0]);
  expect(first[0]).not.toBe(first[1]);
});

test('perSeries forgets what was derived longest ago when many have derived', () => {
  let made = 0;
  const first = perSeries(() => ++made);
  const series = createSeries(1);
  expect([first(series), first(series)]).toEqual([1, 1]);
  for (let other = 0; other < 20; other++) perSeries(() => other)(series);
  expect(first(series)).toBe(2);
});
