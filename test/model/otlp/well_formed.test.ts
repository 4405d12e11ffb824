import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Signal } from '../../../src/model/batch.ts';
import { encodeLogs } from '../../../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../../../src/model/otlp/encode_metrics.ts';
import { REQUEST_TYPES } from '../../../src/model/otlp/message_types.ts';
import { checkThoroughly } from '../../../src/model/otlp/requests.ts';
import { countWellFormed, UNDECIDED } from '../../../src/model/otlp/well_formed.ts';
import { logBatch, metricBatch } from './arbitraries.ts';
import { damaged } from './damage.ts';
import { traceRequest } from './traces.ts';

const SIGNALS: readonly Signal[] = ['metrics', 'logs', 'traces'];

const messages = fc.oneof(
  metricBatch.map(encodeMetrics),
  logBatch.map(encodeLogs),
  traceRequest.map(({ otlp }) => otlp),
);

const count = (bytes: readonly number[] | Uint8Array, signal: Signal): number =>
  countWellFormed(Uint8Array.from(bytes), REQUEST_TYPES[signal]);

/** What the thorough check says; undefined where it refuses. */
function thorough(bytes: Uint8Array, signal: Signal): number | undefined {
  try {
    return checkThoroughly(bytes, signal);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

describe('countWellFormed', { timeout: 60_000 }, () => {
  test('countWellFormed decides whatever the encoders write, as the thorough check does', () => {
    fc.assert(
      fc.property(metricBatch, logBatch, traceRequest, (metrics, logs, traces) => {
        expect(count(encodeMetrics(metrics), 'metrics')).toBe(metrics.count);
        expect(count(encodeLogs(logs), 'logs')).toBe(logs.count);
        expect(count(traces.otlp, 'traces')).toBe(traces.count);
      }),
    );
  });

  test('countWellFormed accepts nothing that the thorough check refuses, and counts the same', () => {
    fc.assert(
      fc.property(damaged(messages), fc.constantFrom(...SIGNALS), (bytes, signal) => {
        const items = count(bytes, signal);
        if (items !== UNDECIDED) expect(items).toBe(thorough(bytes, signal));
      }),
      { numRuns: 5000 },
    );
  });

  test('countWellFormed agrees on every byte of an attribute set to every value', () => {
    // ResourceMetrics { Resource { attributes: { k: "v" }, { n: -1 }, { b: true }, { d: 1.5 }, { e: (nothing) } } }
    const minusOne = [0x18, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
    const values = [[0x0a, 1, 118], minusOne, [0x18, 5], [0x10, 1], [0x21, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f], []];
    const attributes = values.flatMap((value) => {
      const content = [0x0a, 1, 107, 0x12, value.length, ...value];
      return [0x0a, content.length, ...content];
    });
    const resource = [0x0a, attributes.length, ...attributes];
    const message = [0x0a, resource.length, ...resource];
    expect(count(message, 'metrics')).toBe(0);
    for (let at = 0; at < message.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const bytes = Uint8Array.from(message);
        bytes[at] = byte;
        const items = count(bytes, 'metrics');
        if (items !== UNDECIDED) expect([at, byte, items]).toEqual([at, byte, thorough(bytes, 'metrics')]);
      }
    }
  });

  test.each([
    ['an attribute of 130 bytes whose length is one byte', [0x0a, 5, 0x0a, 3, 0x0a, 130, 0]],
    ['a field number of 0', [0x02, 0]],
    ['a length of five bytes', [0x0a, 0x80, 0x80, 0x80, 0x80, 0x00]],
    ['a group', [0x0b, 0x0c]],
    ['an end that cuts a tag of two bytes', [0x82]],
    ['an end that cuts a number', [0x08, 0x80]],
    ['an end that cuts a fixed64', [0x09, 0, 0]],
    ['an end that cuts a length', [0x0a]],
  ])('countWellFormed leaves %s to the thorough check', (_, bytes) => {
    expect(count(bytes, 'metrics')).toBe(UNDECIDED);
  });
});
