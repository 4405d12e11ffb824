/** The tracestates are those of the Collector's own test (tracesprocessor_test.go), at full precision unless it says another. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import sampler from '../../../processors/probabilistic_sampler/index.ts';
import type { TraceBatch } from '../../../src/model/batch.ts';
import { decodeTracesJson, encodeTracesJson } from '../../../src/model/otlp/json.ts';
import { countSpans } from '../../../src/model/otlp/requests.ts';
import { runProcessor } from '../../support/processor.ts';

const DEFAULT = 'fefefefefefefefefe80000000000000';
const ALL_F = '111111111111111111ffffffffffffff';

interface Span {
  readonly traceId: string;
  readonly traceState?: string;
  readonly name?: string;
  readonly attributes?: readonly object[];
}

function traces(...spans: readonly Span[]): TraceBatch {
  const full = spans.map((span) => ({ spanId: '02'.repeat(8), name: 'x', ...span }));
  return decodeTracesJson(Buffer.from(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: full }] }] })));
}

function spansOf(batch: TraceBatch): Span[] {
  const { resourceSpans } = JSON.parse(Buffer.from(encodeTracesJson(batch)).toString()) as {
    resourceSpans: { scopeSpans: { spans: Span[] }[] }[];
  };
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

async function sample(config: Record<string, unknown>, batch: TraceBatch) {
  const run = runProcessor(sampler, config);
  await run.processor.consume(batch);
  const out = run.out as TraceBatch[];
  for (const { otlp, count } of out) expect(countSpans(otlp)).toBe(count);
  const dropped = [...run.dropped.values()].reduce((sum, count) => sum + count, 0);
  expect(out.reduce((sum, { count }) => sum + count, dropped)).toBe(batch.count);
  return { out, kept: out.flatMap(spansOf), dropped: Object.fromEntries(run.dropped) };
}

/** Percentage, precision, trace id, tracestate; then the tracestate that is left, when equalizing and when proportional. */
const CASES: readonly [number, number, string, string, string | undefined, string | undefined][] = [
  [100, 14, DEFAULT, '', 'ot=th:0', 'ot=th:0'],
  [50, 14, DEFAULT, '', 'ot=th:8', 'ot=th:8'],
  [25, 14, 'ddddddddddddddddddc0000000000000', '', 'ot=th:c', 'ot=th:c'],
  [25, 14, 'ddddddddddddddddddb0000000000000', '', undefined, undefined],
  [1, 4, DEFAULT, 'ot=rv:FD70A3D70A3D71', 'ot=rv:FD70A3D70A3D71;th:fd70a', 'ot=rv:FD70A3D70A3D71;th:fd70a'],
  [1, 3, DEFAULT, 'ot=rv:FD70A3D70A3D71', undefined, undefined],
  [49, 14, DEFAULT, '', undefined, undefined],
  [1, 4, 'a0a0a0a0a0a0a0a0a0fe000000000000', '', 'ot=th:fd70a', 'ot=th:fd70a'],
  [50, 14, DEFAULT, 'ot=rv:90000000000000;th:80000000000000', 'ot=rv:90000000000000;th:8', undefined],
  [25, 14, DEFAULT, 'ot=th:8', undefined, undefined],
  [25, 14, 'f'.repeat(32), 'ot=th:8', 'ot=th:c', 'ot=th:e'],
  [50, 14, DEFAULT, 'ot=rv:c0000000000000;th:8', 'ot=rv:c0000000000000;th:8', 'ot=rv:c0000000000000;th:c'],
  [40, 3, DEFAULT, 'ot=rv:a0000000000000', 'ot=rv:a0000000000000;th:99a', 'ot=rv:a0000000000000;th:99a'],
  [40, 6, 'a0a0a0a0a0a0a0a0a0d0000000000000', 'ot=th:8', 'ot=th:99999a', 'ot=th:cccccd'],
  [40, 3, 'a0a0a0a0a0a0a0a0a0b0000000000000', 'ot=th:8', 'ot=th:99a', undefined],
  [40, 3, 'a0a0a0a0a0a0a0a0a080000000000000', 'ot=th:8', undefined, undefined],
  [200, 14, DEFAULT, '', 'ot=th:0', 'ot=th:0'],
  [100 * 2 ** -14, 14, ALL_F, 'ot=th:fffc', 'ot=th:fffc', 'ot=th:fffffff'],
  [(1 - 8e-7) * 100, 10, ALL_F, '', 'ot=th:00000cccccccd', 'ot=th:00000cccccccd'],
  [2 ** -4, 14, ALL_F, 'ot=th:fffffffffffff8', 'ot=th:fffffffffffff8', undefined],
  [50, 14, DEFAULT, 'a=b, ot=x:1;th:0 ,c=d', 'ot=th:8;x:1,a=b,c=d', 'ot=th:8;x:1,a=b,c=d'],
];

describe('probabilistic_sampler of spans', () => {
  test.each(CASES)(
    '%f %% with %i digits of %s with %s',
    async (percentage, precision, traceId, traceState, ...expected) => {
      for (const [index, mode] of ['equalizing', 'proportional'].entries()) {
        const config = { sampling_percentage: percentage, sampling_precision: precision, mode };
        const { kept } = await sample(config, traces({ traceId, traceState }));
        const after = expected[index];
        expect([mode, ...kept.map((span) => span.traceState)]).toEqual(after === undefined ? [mode] : [mode, after]);
      }
    },
  );

  test.each([
    ['', '0'.repeat(32), 'no_randomness'],
    ['ot=rv:abababababababab', DEFAULT, 'inconsistent_threshold'],
    ['ot=th:abababababababab', DEFAULT, 'inconsistent_threshold'],
    ['ot=th:-1', DEFAULT, 'inconsistent_threshold'],
    ['ot=', DEFAULT, 'inconsistent_threshold'],
    [`ot=th:0;x:${'a'.repeat(250)}`, DEFAULT, 'inconsistent_threshold'],
    ['ot=th:8', 'f'.repeat(18) + '70000000000000', 'inconsistent_threshold'],
    ['ot=th:8;rv:70000000000000', DEFAULT, 'inconsistent_threshold'],
  ])('with fail_closed leaves out %s of %s, else keeps it', async (traceState, traceId, reason) => {
    const batch = traces({ traceId, traceState });
    expect((await sample({ sampling_percentage: 100 }, batch)).dropped).toEqual({ [reason]: 1 });
    expect((await sample({ sampling_percentage: 100, fail_closed: false }, batch)).kept).toHaveLength(1);
  });

  test.each([
    [{ intValue: '2' }, 0, true],
    [{ doubleValue: 1 }, 0, true],
    [{ stringValue: '1' }, 0, true],
    [{ intValue: '0' }, 100, false],
    [{ doubleValue: 0 }, 100, false],
    [{ stringValue: '0.0' }, 100, false],
    [{ intValue: '-1' }, 100, true],
    [{ stringValue: 'NaN' }, 0, false],
    [{ stringValue: '' }, 100, true],
  ])('a sampling.priority of %j at %i %%: kept is %s', async (value, percentage, isKept) => {
    const attributes = [
      { key: 'a', value: { stringValue: 'b' } },
      { key: 'sampling.priority', value },
    ];
    for (const mode of ['proportional', 'equalizing', 'hash_seed']) {
      const { kept } = await sample({ sampling_percentage: percentage, mode }, traces({ traceId: ALL_F, attributes }));
      expect([mode, kept.length]).toEqual([mode, isKept ? 1 : 0]);
    }
  });

  test('with hash_seed writes threshold and randomness that another sampler decides the same by', async () => {
    const ids = fc.sample(fc.uint8Array({ minLength: 16, maxLength: 16 }), { numRuns: 200, seed: 1 });
    const batch = traces(...ids.map((id) => ({ traceId: Buffer.from(id).toString('hex') })));
    const hashed = await sample({ sampling_percentage: 10, hash_seed: 4312 }, batch);
    expect(hashed.kept.length).toBeGreaterThan(5);
    for (const { traceState } of hashed.kept) expect(traceState).toMatch(/^ot=rv:[0-9a-f]{14};th:e668$/);
    const again = await sample({ sampling_percentage: 10, mode: 'equalizing', sampling_precision: 14 }, hashed.out[0]!);
    expect(again.kept).toHaveLength(hashed.kept.length);
  });

  test('copies all else of the request, and leaves out scopes and resources without spans', async () => {
    const span = (traceId: string, name: string) => ({ traceId, spanId: '02'.repeat(8), name, kind: 2, flags: 257 });
    const request = {
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'a', value: { stringValue: 'b' } }] },
          scopeSpans: [
            { scope: { name: 'gone' }, spans: [span('0'.repeat(31) + '1', 'lost')] },
            { scope: { name: 's' }, spans: [span(ALL_F, 'kept'), span('0'.repeat(31) + '2', 'lost')], schemaUrl: 'u' },
          ],
        },
        { resource: {}, scopeSpans: [{ spans: [span('0'.repeat(31) + '3', 'lost')] }] },
      ],
    };
    const batch = decodeTracesJson(Buffer.from(JSON.stringify(request)));
    const { out } = await sample({ sampling_percentage: 50 }, batch);
    expect(JSON.parse(Buffer.from(encodeTracesJson(out[0]!)).toString())).toEqual({
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'a', value: { stringValue: 'b' } }] },
          scopeSpans: [
            { scope: { name: 's' }, spans: [{ ...span(ALL_F, 'kept'), traceState: 'ot=th:8' }], schemaUrl: 'u' },
          ],
        },
      ],
    });
  });

  test('hands on the very same batch where nothing changes, and nothing where no span is left', async () => {
    const batch = traces({ traceId: ALL_F, traceState: 'ot=th:8' });
    const { out } = await sample({ sampling_percentage: 50, mode: 'equalizing' }, batch);
    expect(out[0]).toBe(batch);
    expect((await sample({ sampling_percentage: 0 }, batch)).out).toEqual([]);
  });

  test('keeps of any request the spans that it keeps of each alone', async () => {
    const span = fc.record({
      traceId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
      traceState: fc.constantFrom('', 'a=b', 'ot=th:4', 'ot=rv:90000000000000,z=1', 'ot=?'),
      name: fc.string({ minLength: 1 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(span, { minLength: 1, maxLength: 8 }), async (spans) => {
        const config = { sampling_percentage: 50 };
        const together = await sample(config, traces(...spans));
        const alone = await Promise.all(spans.map((each) => sample(config, traces(each))));
        expect(together.kept).toEqual(alone.flatMap(({ kept }) => kept));
      }),
    );
  });
});
