import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLagProbe, createPassiveLag, type LagProbe } from '../src/lag_probe.ts';
import { createRecordedLog } from './support/recorded_log.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function probeOf(release: (token: string) => void | Promise<void>, enabled = true) {
  const lags: number[] = [];
  const log = createRecordedLog();
  const lag = {
    record: (value: number, attributes?: unknown) => {
      lags.push(value);
      expect(attributes).toEqual({ 'sonde.component.id': 'files/etc' });
    },
  };
  const config = { enabled, interval: 60_000, timeout: 30_000 };
  const probe = createLagProbe({ config, lag, id: 'files/etc', log, release });
  return { probe, lags, said: () => log.lines.map(({ message }) => message) };
}

async function started(probe: LagProbe): Promise<void> {
  probe.start();
  await vi.advanceTimersByTimeAsync(0);
}

test('createLagProbe measures from the cause of a canary to its record, once each', async () => {
  const tokens: string[] = [];
  const { probe, lags } = probeOf((token) => void tokens.push(token));
  await started(probe);
  await vi.advanceTimersByTimeAsync(250);
  expect(probe.saw(`/tmp/x/${tokens[0]} created`)).toBe(true);
  expect(probe.saw(`/tmp/x/${tokens[0]} deleted`)).toBe(true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(probe.saw(tokens[1]!)).toBe(true);
  expect(lags.map((lag) => Math.round(lag * 1000))).toEqual([250, 250]);
  expect(probe.lost).toBe(0);
  probe.stop();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(tokens).toHaveLength(2);
});

test('createLagProbe knows canaries of other agents, and nothing else', async () => {
  const { probe, lags } = probeOf(() => {});
  await started(probe);
  expect(probe.saw('sonde-canary-0123456789abcdef-7')).toBe(true);
  expect(probe.saw('sonde-canary-of-mine')).toBe(false);
  expect(probe.saw('/etc/passwd')).toBe(false);
  expect(lags).toEqual([]);
  probe.stop();
});

test('createLagProbe counts canaries that do not arrive, says so once, and that they arrive again', async () => {
  const tokens: string[] = [];
  const { probe, lags, said } = probeOf((token) => void tokens.push(token));
  await started(probe);
  await vi.advanceTimersByTimeAsync(180_000);
  expect(probe.lost).toBe(3);
  expect(said()).toEqual(['A canary did not arrive: this source is late, or loses what it should tell']);
  // One that comes after it was given up is not counted twice.
  probe.saw(tokens[0]!);
  expect(lags).toEqual([]);
  probe.saw(tokens.at(-1)!);
  expect(said().at(-1)).toBe('Canaries arrive in time again');
  probe.stop();
});

test('createLagProbe says once that a canary cannot be released, and counts none as lost', async () => {
  let isBroken = true;
  const { probe, said } = probeOf(async () => {
    if (isBroken) throw new Error('Cannot write "x": EROFS');
  });
  await started(probe);
  await vi.advanceTimersByTimeAsync(120_000);
  isBroken = false;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(probe.lost).toBe(0);
  expect(said()).toEqual([
    'Cannot release a canary, so the lag is not measured: Cannot write "x": EROFS',
    'Canaries can be released again',
  ]);
  probe.stop();
});

test('createLagProbe sends nothing where it is switched off', async () => {
  const release = vi.fn();
  const { probe } = probeOf(release, false);
  await started(probe);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(release).not.toHaveBeenCalled();
});

test('createLagProbe tells its own canaries from those of others', async () => {
  const tokens: string[] = [];
  const { probe, lags } = probeOf((token) => void tokens.push(token));
  await started(probe);
  expect(probe.arrived('sonde-canary-0123456789abcdef-1')).toBe(false);
  expect(probe.arrived(tokens[0]!)).toBe(true);
  expect(probe.arrived(tokens[0]!)).toBe(true);
  expect(lags).toHaveLength(1);
  probe.stop();
});

test('createPassiveLag measures records of its time, and neither what was there before nor what waited behind that', () => {
  const lags: number[] = [];
  vi.setSystemTime(1_000_000);
  const passive = createPassiveLag({ lag: { record: (value) => void lags.push(value) }, id: 'journald' });
  passive.record(900_000);
  vi.setSystemTime(1_005_000);
  passive.record(999_999);
  // Written after the start, while that was read.
  passive.record(1_001_000);
  passive.record(1_004_999);
  expect(lags).toEqual([]);
  vi.setSystemTime(1_008_000);
  passive.record(1_005_500);
  passive.record(1_009_000);
  expect(lags).toEqual([2.5, 0]);
});

test('createPassiveLag measures from the first record on where nothing was there before', () => {
  const lags: number[] = [];
  vi.setSystemTime(1_000_000);
  const passive = createPassiveLag({ lag: { record: (value) => void lags.push(value) }, id: 'journald' });
  vi.setSystemTime(1_000_400);
  passive.record(1_000_150);
  expect(lags).toEqual([0.25]);
});
