import { afterEach, expect, test, vi } from 'vitest';
import { createDelaySampler } from '../../../receivers/self/event_loop.ts';
import { eventually } from '../../support/eventually.ts';

afterEach(() => void vi.useRealTimers());

/** A sampler that found these delays, one after the other. */
function sampleDelays(delays_ms: readonly number[]) {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  let time_ms = 0;
  const sampler = createDelaySampler(10, () => time_ms);
  sampler.start();
  for (const delay_ms of delays_ms) {
    time_ms += 10 + delay_ms;
    vi.advanceTimersByTime(10);
  }
  return sampler;
}

test('createDelaySampler describes the delays since it was last asked', () => {
  const sampler = sampleDelays([4, 1, 3, 2, 90]);
  const { min, max, mean, p50, p90, p99, stddev } = sampler.take()!;
  const expected = [0.001, 0.09, 0.02, 0.003, 0.09, 0.09, 0.035014];
  [min, max, mean, p50, p90, p99, stddev].forEach((value, index) => expect(value).toBeCloseTo(expected[index], 5));
  expect(sampler.take()).toBeUndefined();
  sampler.stop();
});

test('createDelaySampler takes a timer that fires early for one in time', () => {
  const sampler = sampleDelays([-1, -2]);
  expect(sampler.take()).toMatchObject({ min: 0, max: 0, mean: 0 });
  sampler.stop();
});

test('createDelaySampler keeps a bounded number of samples', () => {
  const sampler = sampleDelays([...Array<number>(10).fill(500), ...Array<number>(4096).fill(1)]);
  expect(sampler.take()!.max).toBeCloseTo(0.001);
  sampler.stop();
});

test('createDelaySampler finds a real hold-up', async () => {
  const sampler = createDelaySampler(1);
  sampler.start();
  const until = performance.now() + 30;
  while (performance.now() < until);
  const taken = await eventually(() => {
    const delays = sampler.take();
    expect(delays).toBeDefined();
    return delays!;
  });
  sampler.stop();
  expect(taken.max).toBeGreaterThan(0.02);
});
