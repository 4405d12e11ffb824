import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import memoryLimiter from '../../processors/memory_limiter.ts';
import { RetryableError } from '../../src/errors.ts';
import { metricBatch, runProcessor, series } from '../support/processor.ts';

const MIB = 2 ** 20;
const batch = metricBatch([series('a')], [1]);
const LIMITS = { limit: '100MiB', spike_limit: '20MiB' };
const gc = vi.fn<() => void>();
const rss = vi.spyOn(process.memoryUsage, 'rss');

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('gc', gc);
  gc.mockReset();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('memory_limiter', () => {
  test('refuses above the soft limit and takes again below it, saying each once', async () => {
    const run = runProcessor(memoryLimiter, LIMITS);
    rss.mockReturnValue(80 * MIB);
    await run.processor.start?.();
    await run.consume(batch);
    expect(run.out[0]).toBe(batch);

    rss.mockReturnValue(81 * MIB);
    await run.consume(batch);
    await vi.advanceTimersByTimeAsync(3000);
    await expect(run.consume(batch)).rejects.toThrow(RetryableError);
    await expect(run.consume(batch)).rejects.toMatchObject({ retryAfter_ms: 1000 });

    rss.mockReturnValue(79 * MIB);
    await vi.advanceTimersByTimeAsync(3000);
    await run.consume(batch);
    expect(run.out).toHaveLength(3);
    expect(run.said).toEqual([
      'warn Refusing data: 81 MiB of memory are above the limit of 80 MiB',
      'info Taking data again: 79 MiB of memory are below the limit of 80 MiB',
    ]);
    await run.processor.stop?.();
  });

  test('does not measure for each batch, and not after it was stopped', async () => {
    const run = runProcessor(memoryLimiter, { ...LIMITS, check_interval: '10s' });
    rss.mockReturnValue(1);
    await run.processor.start?.();
    rss.mockClear();
    for (let i = 0; i < 10; i++) await run.consume(batch);
    expect(rss).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(rss).toHaveBeenCalledTimes(2);
    await run.processor.stop?.();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(rss).toHaveBeenCalledTimes(2);
  });

  test('collects garbage at every check above the limit, every ten seconds above the soft limit', async () => {
    const run = runProcessor(memoryLimiter, LIMITS);
    rss.mockReturnValue(101 * MIB);
    await run.processor.start?.();
    await vi.advanceTimersByTimeAsync(4000);
    expect(gc).toHaveBeenCalledTimes(5);
    rss.mockReturnValue(90 * MIB);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(gc).toHaveBeenCalledTimes(7);
    await run.processor.stop?.();
  });

  test('goes on where collecting garbage is enough', async () => {
    const run = runProcessor(memoryLimiter, LIMITS);
    rss.mockReturnValue(110 * MIB);
    gc.mockImplementation(() => rss.mockReturnValue(50 * MIB));
    await run.processor.start?.();
    await run.consume(batch);
    expect(run.said).toEqual([]);
    await run.processor.stop?.();
  });

  test('finds the collector that V8 hides', async () => {
    vi.unstubAllGlobals();
    const run = runProcessor(memoryLimiter, LIMITS);
    rss.mockReturnValue(110 * MIB);
    await run.processor.start?.();
    expect(run.said).toHaveLength(1);
    await run.processor.stop?.();
  });

  test('takes a fifth of the limit for spikes, and percentages of the memory there is', async () => {
    const run = runProcessor(memoryLimiter, { limit: '100MiB' });
    rss.mockReturnValue(81 * MIB);
    await run.processor.start?.();
    expect(run.said[0]).toMatch(/limit of 80 MiB$/);
    await run.processor.stop?.();

    const whole = runProcessor(memoryLimiter, { limit_percentage: 50, spike_limit_percentage: 49.999 });
    rss.mockReturnValue(Number.MAX_SAFE_INTEGER);
    await whole.processor.start?.();
    expect(whole.said[0]).toMatch(/limit of 0 MiB$/);
    await whole.processor.stop?.();
  });

  test.each([
    [{ limit: '10MiB', spike_limit: '10MiB' }, 'a spike limit of 10 MiB is not below the limit of 10 MiB'],
    [{ limit: '10MiB', spike_limit_percentage: 5 }, 'spike_limit_percentage has no meaning beside limit'],
    [{ limit_percentage: 0 }, 'the limit must be above 0'],
    [{ check_interval: '0' }, 'check_interval must be above 0'],
  ])('refuses %j', (config, message) => {
    expect(() => runProcessor(memoryLimiter, config)).toThrow(message);
  });
});
