/** Pages of a trace, as Linux 6.18 wrote them while a shell ran and ended. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createKernelEvent } from '../../../receivers/process_events/source.ts';
import { createTraceDecoder } from '../../../receivers/process_events/trace_events.ts';
import { decodePage, parseFormat } from '../../../receivers/process_events/trace_page.ts';
import recorded from './data/trace.json' with { type: 'json' };

const pages = recorded.pages.map((hex) => Buffer.from(hex, 'hex'));
const decode = createTraceDecoder(recorded.formats);

function inShort(page: Buffer): string[] {
  const event = createKernelEvent();
  const told: string[] = [];
  decodePage(page, (start, end, time_ns) => {
    if (!decode(page, start, end, event)) return;
    const { kind, pid, parent, name } = event;
    told.push(
      `${Math.floor(time_ns / 1e6)} ${kind} ${pid}${kind === 'fork' ? ` of ${parent}` : ''}${name && ` ${name}`}`,
    );
  });
  return told;
}

test('decodePage and createTraceDecoder read forks, execs and exits', () => {
  expect(pages.map(inShort)).toMatchInlineSnapshot(`
    [
      [
        "23716270 exit 24283",
        "23716271 exit 24284",
        "23716271 exit 24281",
        "23716271 exit 24285",
        "23716278 exec 24286 /usr/bin/sh",
        "23716278 exit 24286",
        "23716279 exec 24287 /usr/bin/ls",
        "23716280 exit 24287",
        "23716281 exec 24288 /usr/bin/cat",
        "23716282 exit 24288",
        "23716282 exec 24289 /usr/bin/mkdir",
        "23716285 exit 24289",
        "23716286 exec 24290 /usr/local/lib/nodejs/26/abin/node",
      ],
      [
        "23716160 fork 24278 of 24270",
        "23716167 exec 24278 /usr/bin/cat",
        "23716168 exit 24278",
        "23716168 fork 24279 of 24270",
        "23716169 exec 24279 /usr/local/lib/nodejs/26/abin/node",
        "23716270 exit 24282",
        "23716271 exit 24280",
        "23716271 exit 24279",
        "23716276 fork 24286 of 24270",
        "23716279 fork 24287 of 24270",
        "23716281 fork 24288 of 24270",
        "23716282 fork 24289 of 24270",
        "23716285 fork 24290 of 24270",
        "23716357 fork 24297 of 24270",
      ],
    ]
  `);
});

test('parseFormat reads where fields are, and refuses a format without one that is needed', () => {
  const { id, fields } = parseFormat(recorded.formats.sched_process_exit, ['pid', 'comm']);
  expect(id).toBe(369);
  expect(fields.get('pid')).toEqual({ offset: 24, size: 4 });
  expect(fields.get('comm')).toEqual({ offset: 8, size: 16 });
  expect(() => parseFormat(recorded.formats.sched_process_exit, ['tgid'])).toThrow('tgid is missing');
  expect(() => parseFormat('', [])).toThrow('ID is missing');
});

const HEADER_BYTES = 16;

/** A page of events that have these words, at that many nanoseconds after each other. */
function pageOf(time_ns: number, body: readonly number[], { missed }: { readonly missed?: number } = {}): Buffer {
  const page = Buffer.alloc(HEADER_BYTES + body.length * 4 + 8);
  page.writeBigUInt64LE(BigInt(time_ns), 0);
  page.writeUInt32LE((body.length * 4 + (missed === undefined ? 0 : 0xc000_0000)) >>> 0, 8);
  for (const [index, word] of body.entries()) page.writeUInt32LE(word >>> 0, HEADER_BYTES + index * 4);
  if (missed !== undefined) page.writeBigUInt64LE(BigInt(missed), HEADER_BYTES + body.length * 4);
  return page;
}

const head = (type: number, delta: number): number => ((delta << 5) | type) >>> 0;

function visited(page: Buffer): [bytes: number, time_ns: number][] {
  const seen: [number, number][] = [];
  decodePage(page, (start, end, time_ns) => seen.push([end - start, time_ns]));
  return seen;
}

test('decodePage adds up times, and leaves out what was taken back', () => {
  const page = pageOf(1000, [
    head(1, 5),
    7, // 4 bytes, 5 ns later
    head(30, 3),
    1, // 2^27 + 3 ns later
    head(2, 0),
    7,
    7,
    head(29, 10),
    8,
    0, // taken back: 8 bytes
    head(0, 1),
    12,
    7,
    7, // its length is a word of its own
    head(29, 0),
    7,
    7, // the rest of the page is empty
  ]);
  const extended = 1005 + 2 ** 27 + 3;
  expect(visited(page)).toEqual([
    [4, 1005],
    [8, extended],
    [8, extended + 11],
  ]);
});

test('decodePage takes absolute times', () => {
  expect(visited(pageOf(1000, [head(31, 3), 2, head(1, 1), 7]))).toEqual([[4, 2 ** 28 + 4]]);
});

test('decodePage says how many events were lost', () => {
  const nothing = (): void => {};
  expect(decodePage(pageOf(0, []), nothing)).toBe(0);
  expect(decodePage(pageOf(0, [head(1, 0), 7], { missed: 42 }), nothing)).toBe(42);
  const unknown = pageOf(0, []);
  unknown.writeUInt32LE(0x8000_0000, 8);
  expect(decodePage(unknown, nothing)).toBeNaN();
});

test('decodePage stays within the page and ends, whatever is in it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(...pages), fc.nat(), (bytes, real, at) => {
      const broken = Buffer.from(real);
      broken.set(bytes.subarray(0, Math.max(0, broken.length - (at % broken.length))), at % broken.length);
      for (const page of [Buffer.from(bytes), broken]) {
        const event = createKernelEvent();
        decodePage(page, (start, end) => {
          expect(start).toBeGreaterThanOrEqual(HEADER_BYTES);
          expect(end).toBeLessThanOrEqual(page.length);
          if (decode(page, start, end, event)) expect(event.pid).toBeGreaterThan(0);
        });
      }
    }),
  );
});
