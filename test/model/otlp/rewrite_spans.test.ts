import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeTracesJson } from '../../../src/model/otlp/json.ts';
import { countSpans } from '../../../src/model/otlp/requests.ts';
import { rewriteSpans, type SpanHead } from '../../../src/model/otlp/rewrite_spans.ts';

const span = (name: string, traceState = '') => ({
  traceId: '0a'.repeat(16),
  spanId: '02'.repeat(8),
  name,
  traceState,
});
const request = { resourceSpans: [{ scopeSpans: [{ spans: [span('a', 'x=1'), span('b')] }] }] };
const { otlp } = decodeTracesJson(Buffer.from(JSON.stringify(request)));

test('rewriteSpans tells of each span what a decision needs, and hands back the very bytes where nothing changes', () => {
  const heads: SpanHead[] = [];
  const result = rewriteSpans(otlp, {
    attribute: 'k',
    decide(head) {
      heads.push(head);
      return head.traceState;
    },
  });
  expect(result.otlp).toBe(otlp);
  expect(result.count).toBe(2);
  expect(heads).toEqual([
    { traceId: '0a'.repeat(16), traceState: 'x=1', attribute: undefined },
    { traceId: '0a'.repeat(16), traceState: '', attribute: undefined },
  ]);
});

test('rewriteSpans makes a request of any other tracestate, or of none', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
      const rewritten = rewriteSpans(otlp, { attribute: '', decide: () => text });
      const heads: string[] = [];
      rewriteSpans(rewritten.otlp, { attribute: '', decide: ({ traceState }) => (heads.push(traceState), traceState) });
      expect(heads).toEqual([text.toWellFormed(), text.toWellFormed()]);
      expect(countSpans(rewritten.otlp)).toBe(2);
    }),
  );
  expect(rewriteSpans(otlp, { attribute: '', decide: () => undefined })).toEqual({ otlp: Buffer.alloc(0), count: 0 });
});

test('rewriteSpans refuses what is no request, and stays usable after it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat({ max: otlp.length }), (bytes, cut) => {
      const broken = Buffer.concat([otlp.subarray(0, cut), bytes]);
      try {
        rewriteSpans(broken, { attribute: 'k', decide: () => 'a=b' });
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError);
      }
      expect(rewriteSpans(otlp, { attribute: 'k', decide: ({ traceState }) => traceState }).otlp).toBe(otlp);
    }),
  );
});
