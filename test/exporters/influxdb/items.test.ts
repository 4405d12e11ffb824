import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDialect } from '../../../exporters/influxdb/escape.ts';
import { Bodies, halve, partition, wireBody } from '../../../exporters/influxdb/items.ts';

const NO_LIMITS = { max_lines: 1000, max_bytes: 100_000 };

/** Items of one line or several, as the encoders write them. */
function bodyOf(items: readonly (readonly string[])[], limits = NO_LIMITS) {
  const bodies = new Bodies(limits);
  for (const lines of items) {
    bodies.writer.text(lines.map((line, index) => `${index > 0 ? ' ' : ''}${line}\n`).join(''));
    bodies.end(lines.length);
  }
  return { payloads: bodies.take(), tooLarge: bodies.tooLarge };
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe('Bodies', () => {
  test('holds as many lines as allowed, and never cuts an item', () => {
    const { payloads } = bodyOf([['a'], ['b', 'b2', 'b3'], ['c'], ['d', 'd2', 'd3', 'd4', 'd5']], {
      ...NO_LIMITS,
      max_lines: 4,
    });
    expect(payloads.map(({ body, count }) => [text(body), count])).toEqual([
      ['a\nb\n b2\n b3\n', 2],
      ['c\n', 1],
      ['d\n d2\n d3\n d4\n d5\n', 1],
    ]);
  });

  test('holds as many bytes as allowed, and leaves out an item that is larger alone', () => {
    const { payloads, tooLarge } = bodyOf([['12345'], ['x'.repeat(12)], ['67890'], ['1234']], {
      ...NO_LIMITS,
      max_bytes: 12,
    });
    expect(payloads.map(({ body, count }) => [text(body), count])).toEqual([
      ['12345\n67890\n', 2],
      ['1234\n', 1],
    ]);
    expect(tooLarge).toBe(1);
  });

  test('take gives nothing where nothing was written, and begins anew', () => {
    const bodies = new Bodies(NO_LIMITS);
    expect(bodies.take()).toEqual([]);
    bodies.writer.text('a\n');
    bodies.end(1);
    expect(bodies.take()).toHaveLength(1);
    expect(bodies.take()).toEqual([]);
  });
});

/** Lines without newlines and leading spaces, as metrics have them. */
const line = fc.string({ minLength: 1 }).filter((one) => !one.includes('\n') && !one.startsWith(' '));
const items = fc.array(fc.array(line, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 20 });

test('wireBody, halve and partition keep every line of metrics, in order', () => {
  fc.assert(
    fc.property(items, fc.nat(), (all, seed) => {
      const { body } = bodyOf(all, { max_lines: 1e6, max_bytes: 1e6 }).payloads[0]!;
      expect(text(wireBody(body, 'metrics'))).toBe(
        all
          .flat()
          .map((one) => `${one}\n`)
          .join(''),
      );
      const halves = halve(body, 'metrics');
      if (all.length === 1) expect(halves).toEqual([]);
      else {
        expect(halves.map((half) => half.count)).toEqual([Math.ceil(all.length / 2), Math.floor(all.length / 2)]);
        expect(Buffer.concat(halves.map((half) => half.body)).equals(Buffer.from(body))).toBe(true);
      }
      const chosenNumber = 1 + (seed % all.flat().length);
      const { chosen, others } = partition(body, 'metrics', (_, number) => number === chosenNumber);
      let seen = 0;
      const index = all.findIndex((lines) => (seen += lines.length) >= chosenNumber);
      expect([chosen.count, others.count]).toEqual([1, all.length - 1]);
      expect(text(wireBody(chosen.body, 'metrics'))).toBe(all[index]!.map((one) => `${one}\n`).join(''));
      expect(text(wireBody(others.body, 'metrics'))).toBe(
        all
          .toSpliced(index, 1)
          .flat()
          .map((one) => `${one}\n`)
          .join(''),
      );
    }),
  );
});

test('halve and partition find the records of logs, whatever is quoted in them', () => {
  const hard = fc.string({ unit: fc.constantFrom(...'\\" \n=,a1') });
  const record = fc.record({ tag: hard, body: hard });
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 2, maxLength: 8 }),
      fc.boolean(),
      fc.nat(),
      (records, isDoubled, seed) => {
        const dialect = createDialect(isDoubled);
        const lines = records.map(({ tag, body }) => `logs,t=x${dialect.key(tag)} body=${dialect.text(body)},n=1i 17`);
        const body = Buffer.from(lines.map((one) => `${one}\n`).join(''));
        expect(wireBody(body, 'logs')).toBe(body);
        expect(halve(body, 'logs').map(({ count }) => count)).toEqual([
          Math.ceil(lines.length / 2),
          Math.floor(lines.length / 2),
        ]);
        const index = seed % lines.length;
        const { chosen, others } = partition(body, 'logs', (_, number) => number === index + 1);
        expect(text(chosen.body)).toBe(`${lines[index]}\n`);
        expect(others.count).toBe(lines.length - 1);
      },
    ),
  );
});
