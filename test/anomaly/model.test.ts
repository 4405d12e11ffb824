import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom, type Random } from '../../bench/anomaly_series.ts';
import { SeriesModel } from '../../src/anomaly/model.ts';
import { MODEL_BYTES, type ModelOptions, type Outcome } from '../../src/anomaly/state.ts';

const OPTIONS: ModelOptions = {
  interval_s: 60,
  warmUp_s: 7200,
  warmUp_samples: 100,
  sensitivity: 1,
  adapt_s: 7200,
};
const START_S = 1_793_577_600;
const DAY = 1440;

interface Event {
  readonly row: number;
  readonly outcome: Outcome;
  readonly kind: string;
}

/** Runs samples a minute apart, and tells when something began or ended. */
function run(model: SeriesModel, count: number, valueAt: (row: number) => number, from = 0): Event[] {
  const events: Event[] = [];
  for (let row = from; row < from + count; row++) {
    const outcome = model.step(START_S + row * 60, valueAt(row));
    if (outcome === 'began' || outcome === 'recovered' || outcome === 'adapted') {
      events.push({ row, outcome, kind: model.kind });
    }
  }
  return events;
}

const noisy =
  (random: Random, level = 100) =>
  (): number =>
    level + random.gaussian();

describe('SeriesModel', () => {
  test('is silent on two days of normal noise', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      expect(run(new SeriesModel(OPTIONS), 2 * DAY, noisy(createRandom(seed)))).toEqual([]);
    }
  });

  test('finds its level anew after a silence, and judges none of the samples for that', () => {
    const random = createRandom(4);
    const model = new SeriesModel(OPTIONS);
    let level = 100;
    const rising = (row: number): number => level + row * 0.05 + random.gaussian();
    expect(run(model, 600, rising)).toEqual([]);
    level = 900;
    expect(run(model, 600, rising, 611)).toEqual([]);
    expect(run(model, 1, (row) => rising(row) + 30, 1211)).toMatchObject([{ outcome: 'began', kind: 'spike' }]);
    // So many samples may be missing.
    const other = new SeriesModel(OPTIONS);
    run(other, 600, noisy(random));
    expect(run(other, 1, () => 900, 609)).toMatchObject([{ outcome: 'began' }]);
  });

  test('judges nothing before it has seen enough, in time and in samples', () => {
    const model = new SeriesModel(OPTIONS);
    const random = createRandom(1);
    // Wild as it is, 119 minutes are no 2 hours.
    expect(run(model, 120, () => 100 + random.gaussian() + (random.next() < 0.05 ? 1000 : 0))).toEqual([]);
    expect(model.isReady).toBe(false);
    expect(model.score).toBe(0);
    model.step(START_S + 120 * 60, 100);
    expect(model.isReady).toBe(true);
    const slow = new SeriesModel({ ...OPTIONS, interval_s: 3600 });
    for (let row = 0; row < 99; row++) slow.step(START_S + row * 3600, 1);
    expect(slow.isReady).toBe(false);
  });

  test('tells a spike at once, what was expected, and that it is over', () => {
    const model = new SeriesModel(OPTIONS);
    const value = noisy(createRandom(1));
    run(model, DAY, value);
    expect(model.step(START_S + DAY * 60, 115)).toBe('began');
    expect(model).toMatchObject({ kind: 'spike', isAnomalous: true, beganAt_s: START_S + DAY * 60 });
    expect(model.score).toBeGreaterThan(1);
    expect(model.expected).toBeCloseTo(100, -0.5);
    expect(model.upper).toBeLessThan(115);
    expect(model.lower).toBeGreaterThan(85);
    const [end] = run(model, 30, value, DAY + 1);
    expect(end).toMatchObject({ outcome: 'recovered' });
  });

  test('takes a shift for the new normal after a while, and the way back for no anomaly', () => {
    const model = new SeriesModel(OPTIONS);
    const random = createRandom(2);
    const events = run(model, 2 * DAY, (row) => (row >= DAY && row < DAY + 400 ? 110 : 100) + random.gaussian());
    expect(events.map(({ outcome }) => outcome)).toEqual(['began', 'adapted']);
    expect(events[0]!.row).toBeLessThan(DAY + 5);
    expect(events[1]!.row).toBe(events[0]!.row + 120);
  });

  test('finds a drift that no single sample shows', () => {
    const model = new SeriesModel(OPTIONS);
    const random = createRandom(3);
    const [event] = run(model, DAY + 200, (row) => 100 + Math.max(0, row - DAY) * 0.06 + random.gaussian());
    expect(event).toMatchObject({ outcome: 'began' });
    expect(['drift', 'level_shift']).toContain(event!.kind);
    expect(event!.row).toBeGreaterThan(DAY);
  });

  test('finds that a series became wild, and that it is stuck', () => {
    const wild = createRandom(4);
    const [variance] = run(new SeriesModel(OPTIONS), DAY + 60, (row) => 100 + (row < DAY ? 1 : 4) * wild.gaussian());
    expect(variance).toMatchObject({ outcome: 'began' });
    const calm = createRandom(5);
    const [stuck] = run(new SeriesModel(OPTIONS), DAY + 60, (row) => (row < DAY ? 100 + calm.gaussian() : 100));
    expect(stuck).toMatchObject({ outcome: 'began', kind: 'stuck' });
  });

  test('does not alarm on the first digit of a constant, and does on a change that matters', () => {
    expect(run(new SeriesModel(OPTIONS), DAY, (row) => (row < 600 ? 1000 : 1001))).toEqual([]);
    expect(run(new SeriesModel(OPTIONS), DAY, (row) => (row < 600 ? 1000 : 1100))[0]).toMatchObject({ row: 600 });
  });

  test('step allows for the grain of what is counted', () => {
    const first = new SeriesModel(OPTIONS);
    for (let row = 0; row < 600; row++) first.step(START_S + row * 60, 0, 1);
    expect(first.step(START_S + 600 * 60, 3, 1)).toBe('normal');
    expect(first.step(START_S + 601 * 60, 300, 1)).toBe('began');
  });

  test('learns the day: on the third the same is expected, and its absence is not', () => {
    const random = createRandom(6);
    const day = (row: number): number => 130 - 30 * Math.cos((2 * Math.PI * row) / DAY) + random.gaussian();
    const model = new SeriesModel(OPTIONS);
    run(model, 3 * DAY, day);
    expect(model.hasProfile).toBe(true);
    expect(run(model, DAY, day, 3 * DAY)).toEqual([]);
    // A holiday.
    const [missing] = run(model, DAY, () => 100 + random.gaussian(), 4 * DAY);
    expect(missing).toMatchObject({ outcome: 'began' });
    expect(missing!.row % DAY).toBeLessThan(300);
  });

  test('what comes every night is told once', () => {
    const random = createRandom(7);
    const job = (row: number): number => (row % DAY >= 200 && row % DAY < 210 ? 150 : 100) + random.gaussian();
    const events = run(new SeriesModel(OPTIONS), 6 * DAY, job).filter(({ outcome }) => outcome === 'began');
    expect(events.map(({ row }) => Math.floor(row / DAY))).toEqual([0]);
  });

  test('learns the week where that helps', () => {
    const options = { ...OPTIONS, interval_s: 600 };
    const random = createRandom(8);
    const model = new SeriesModel(options);
    let late = 0;
    for (let row = 0; row < 6 * 7 * 144; row++) {
      const isWeekend = Math.floor(row / 144) % 7 >= 5;
      const isDay = row % 144 >= 48 && row % 144 < 108;
      const outcome = model.step(START_S + row * 600, 100 + (isDay && !isWeekend ? 60 : 0) + random.gaussian());
      if (outcome === 'began' && row >= 5 * 7 * 144) late++;
    }
    expect(late).toBeLessThanOrEqual(2);
  });

  test('an incident does not become what is expected', () => {
    const random = createRandom(9);
    const model = new SeriesModel(OPTIONS);
    run(model, DAY, (row) => (row >= 1000 && row < 1060 ? 200 : 100) + random.gaussian());
    expect(Math.abs(model.expected - 100)).toBeLessThan(2);
    expect(model.step(START_S + DAY * 60, 120)).toBe('began');
  });

  test('score and range are finite for any input', () => {
    const value = fc.oneof(
      fc.double(),
      fc.constantFrom(NaN, Infinity, -Infinity, -0, 1e308, 5e-324, 1e37, -1e37, 2 ** 53),
      fc.integer({ min: -3, max: 3 }),
    );
    const step = fc.tuple(fc.oneof(fc.constant(60), fc.double({ min: -1e3, max: 1e9 }), fc.constant(0)), value);
    const options = { ...OPTIONS, warmUp_s: 0, warmUp_samples: 3, adapt_s: 600 };
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 300 }), (steps) => {
        const model = new SeriesModel(options);
        let time_s = START_S;
        for (const [elapsed_s, value] of steps) {
          time_s += elapsed_s;
          model.step(time_s, value);
          for (const number of [model.score, model.peak, model.expected, model.lower, model.upper, model.innovation]) {
            expect(Number.isFinite(number)).toBe(true);
          }
        }
        model.step(NaN, 1);
        model.step(-1, 1);
        expect(Number.isFinite(model.score)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('goes on from its bytes as if nothing had been', () => {
    const random = createRandom(10);
    const values = Array.from({ length: 3 * DAY }, (_, row) => 100 + (row % 700 === 0 ? 20 : 0) + random.gaussian());
    const whole = new SeriesModel(OPTIONS);
    run(whole, 2 * DAY, (row) => values[row]!);
    const kept = new SeriesModel(OPTIONS, Uint8Array.from(whole.bytes));
    const after = (model: SeriesModel): unknown[] => {
      const events = run(model, DAY, (row) => values[row]!, 2 * DAY);
      return [events, model.score, Buffer.from(model.bytes).toString('base64')];
    };
    expect(after(kept)).toEqual(after(whole));
  });

  test('its state is less than 3 KiB', () => expect(MODEL_BYTES).toBeLessThan(3072));
});
