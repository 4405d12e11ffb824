import { expect, test } from 'vitest';
import { parseTimex } from '../../receivers/clock.ts';

function timex(fields: Readonly<Record<number, bigint>>, status: number, tai = 0): Buffer {
  const buffer = Buffer.alloc(208);
  for (const [offset, value] of Object.entries(fields)) buffer.writeBigInt64LE(value, Number(offset));
  buffer.writeInt32LE(status, 40);
  buffer.writeInt32LE(tai, 160);
  return buffer;
}

test('parseTimex reads a clock that a service keeps by nanoseconds', () => {
  // As ntptime(8) tells it: offset -1234.567 us, frequency -12.5 ppm, STA_PLL | STA_NANO.
  expect(parseTimex(timex({ 8: -1_234_567n, 16: -819_200n, 24: 250_000n, 32: 1500n }, 0x2001, 37))).toEqual({
    isSynchronized: true,
    offset_s: -0.001234567,
    frequency: -12.5e-6,
    maximumError_s: 0.25,
    estimatedError_s: 0.0015,
    taiOffset_s: 37,
  });
});

test('parseTimex takes microseconds where the kernel was not told of nanoseconds, and sees that nobody keeps it', () => {
  expect(parseTimex(timex({ 8: 250n, 24: 16_000_000n, 32: 16_000_000n }, 0x40))).toMatchObject({
    isSynchronized: false,
    offset_s: 0.00025,
    maximumError_s: 16,
  });
});
