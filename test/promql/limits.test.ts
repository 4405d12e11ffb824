import { describe, expect, it } from 'vitest';
import { createEngine, type EngineOptions } from '../../src/promql/engine.ts';
import { PromqlError } from '../../src/promql/errors.ts';
import { load } from '../support/queryable.ts';

const series = load(
  Array.from({ length: 50 }, (_, index) => `m{i="${index}",j="${index % 5}"} 0+${index}x400`).join('\n'),
);
const YEAR_MS = 365 * 86_400_000;

function stop(
  limits: EngineOptions['limits'],
  run: (engine: ReturnType<typeof createEngine>) => unknown,
  now?: () => number,
): PromqlError {
  try {
    run(createEngine({ queryable: series, ...(limits && { limits }), ...(now && { now }) }));
  } catch (error) {
    if (error instanceof PromqlError) return error;
    throw error;
  }
  throw new Error('Cannot test limit: the query was answered');
}

describe('createEngine', () => {
  it('createEngine ends a query that reads too many samples, and names limit and part', () => {
    const error = stop({ samples: 1000 }, (engine) => engine.instant('1 + sum(rate(m[1h]))', 3_600_000));
    expect(error).toMatchObject({ reason: 'limit', position: { start: 13, end: 14 } });
    expect(error.message).toBe('Cannot finish query: it needs more than 1000 samples (limit "samples"), at m');
  });

  it('createEngine ends a query that selects too many series', () => {
    const error = stop({ series: 59 }, (engine) => engine.instant('m{j="1"} or m', 60_000));
    expect(error).toMatchObject({
      reason: 'limit',
      message: expect.stringContaining('more than 59 series (limit "series"), at m'),
    });
  });

  it('createEngine ends a query that makes too many labels of values', () => {
    const error = stop({ series: 100 }, (engine) => engine.range('sum(count_values("v", m))', 0, 6_000_000, 15_000));
    expect(error.message).toBe(
      'Cannot finish query: it makes more than 100 series (limit "series"), at count_values("v", m)',
    );
  });

  it('createEngine ends a query that returns too many series', () => {
    const error = stop({ series: 70 }, (engine) =>
      engine.range('{i=~".+"} or label_replace(m, "z", "1", "", "")', 0, 60_000, 15_000),
    );
    expect(error.message).toContain('more than 70 series');
  });

  it('createEngine counts the samples that it returns', () => {
    const error = stop({ samples: 30_000 }, (engine) => engine.range('m', 0, 6_000_000, 1000));
    expect(error.message).toContain('limit "samples"');
  });

  it.each([
    ['time() + 0 * max_over_time(vector(1)[1y:1ms])', 'vector(1)[365d:1ms]'],
    ['sum_over_time(m[1y:1ms])', 'm[365d:1ms]'],
  ])('createEngine ends %s before it makes its steps', (query) => {
    const error = stop(undefined, (engine) => engine.instant(query, YEAR_MS));
    expect(error.message).toMatch(/limit "(samples|time_ms)"/);
  });

  it('createEngine looks at the clock while it evaluates', () => {
    let time = 0;
    const error = stop(
      { time_ms: 10 },
      (engine) => engine.range('sum(m) by (j) * 2', 0, 6_000_000, 1000),
      () => (time += 1),
    );
    expect(error.message).toMatch(/^Cannot finish query: it takes longer than 10 ms \(limit "time_ms"\), at /);
  });

  it('createEngine counts what windows over windows cost', () => {
    let time = 0;
    const run = (engine: ReturnType<typeof createEngine>): unknown =>
      engine.instant('sum_over_time(sum_over_time(m[1h:1s])[1h:1s])', 6_000_000);
    const error = stop({ time_ms: 1000 }, run, () => (time += 1));
    expect(error.message).toContain('limit "time_ms"');
  });

  it('createEngine refuses more steps than it may answer', () => {
    const error = stop(undefined, (engine) => engine.range('m', 0, 11_001_000, 1000));
    expect(error.message).toMatch(/^exceeded maximum resolution of 11,000 points per timeseries/);
    expect(stop(undefined, (engine) => engine.range('m', 0, 1e15, 1)).message).toContain('11,000');
  });

  it('createEngine refuses a step of nothing and an end before the start', () => {
    expect(stop(undefined, (engine) => engine.range('m', 0, 10, 0)).message).toContain(
      'zero or negative query resolution step',
    );
    expect(stop(undefined, (engine) => engine.range('m', 10, 0, 1)).message).toBe(
      'end timestamp must not be before start time',
    );
  });

  it('createEngine ends labels that double with each call', () => {
    const query = Array.from({ length: 40 }).reduce<string>(
      (inner) => `label_join(${inner}, "j", "", "j", "j")`,
      'm{i="1"}',
    );
    expect(stop(undefined, (engine) => engine.instant(query, 60_000))).toMatchObject({
      reason: 'limit',
      message: 'Cannot finish query: label_join() makes labels longer than 16384 characters',
    });
  });

  it('createEngine answers as before after a query was ended', () => {
    const engine = createEngine({ queryable: series, limits: { samples: 3000 } });
    expect(() => engine.range('m', 0, 6_000_000, 60_000)).toThrow('limit "samples"');
    expect(engine.instant('count(m)', 60_000)).toMatchObject({ rows: [{ value: 50 }] });
  });

  it('createEngine refuses a range query of a range vector', () => {
    expect(stop(undefined, (engine) => engine.range('m[5m]', 0, 1, 1)).message).toBe(
      'invalid expression type "range vector" for range query, must be Scalar or instant Vector',
    );
  });
});
