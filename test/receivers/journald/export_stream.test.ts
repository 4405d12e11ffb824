import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createExportParser, type Entry } from '../../../receivers/journald/export_stream.ts';

const LIMITS = { maxField_bytes: 4096, maxEntry_bytes: 65_536 };

type Pair = readonly [name: string, value: Uint8Array];

/** As journalctl writes it: text by lines, all else with its size. */
function encode(entries: readonly (readonly Pair[])[]): Buffer {
  return Buffer.concat(
    entries.flatMap((fields) => [
      ...fields.flatMap(([name, value]) => {
        if (value.every((byte) => byte >= 0x20 && byte < 0x7f))
          return [Buffer.from(`${name}=`), value, Buffer.from('\n')];
        const size = Buffer.alloc(8);
        size.writeBigUInt64LE(BigInt(value.length));
        return [Buffer.from(`${name}\n`), size, value, Buffer.from('\n')];
      }),
      Buffer.from('\n'),
    ]),
  );
}

function parse(chunks: readonly Uint8Array[], limits = LIMITS) {
  const entries: Entry[] = [];
  const stray: string[] = [];
  const parser = createExportParser({
    ...limits,
    onEntry: (entry) => void entries.push(entry),
    onStray: (line) => void stray.push(line),
  });
  for (const chunk of chunks) parser.push(chunk);
  return { entries, stray };
}

/** Cut at these shares of its length. */
function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => Buffer.from(bytes.subarray(places[index], end)));
}

const pairsOf = ({ fields }: Entry): [string, number[]][] => fields.map(({ name, value }) => [name, [...value]]);

describe('createExportParser', () => {
  test('gives what was written, binary and empty values too, however the stream is cut', () => {
    const name = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,30}$/);
    const value = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.string().map((text) => new TextEncoder().encode(text)),
    );
    const entry = fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 6 });
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 5 }), shares, (entries, at) => {
        const { entries: read, stray } = parse(cut(encode(entries), at));
        expect(read.map(pairsOf)).toEqual(entries.map((fields) => fields.map(([key, bytes]) => [key, [...bytes]])));
        expect(stray).toEqual([]);
      }),
    );
  });

  test('keeps what it gave when the chunk it came in is written over', () => {
    const chunk = encode([
      [
        ['MESSAGE', Buffer.from('text')],
        ['DATA', Buffer.from([0, 1, 255])],
      ],
    ]);
    const { entries } = parse([chunk]);
    chunk.fill(0x7a);
    expect(pairsOf(entries[0]!)).toEqual([
      ['MESSAGE', [...Buffer.from('text')]],
      ['DATA', [0, 1, 255]],
    ]);
  });

  test('keeps the beginning of a field of 100 MB, as text and as bytes, and holds no more of it', () => {
    const entries: Entry[] = [];
    const parser = createExportParser({ ...LIMITS, onEntry: (entry) => void entries.push(entry), onStray: () => {} });
    const chunk = Buffer.alloc(65_536, 'x');
    const chunks = 1600;
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(chunk.length * chunks));
    const before = process.memoryUsage().arrayBuffers;
    parser.push(Buffer.from('TEXT='));
    for (let i = 0; i < chunks; i++) parser.push(chunk);
    parser.push(Buffer.concat([Buffer.from('\nBYTES\n'), size]));
    for (let i = 0; i < chunks; i++) parser.push(chunk);
    parser.push(Buffer.from('\nLAST=1\n\n'));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
    expect(entries[0]!.fields.map(({ name, value }) => [name, value.length])).toEqual([
      ['TEXT', LIMITS.maxField_bytes],
      ['BYTES', LIMITS.maxField_bytes],
      ['LAST', 1],
    ]);
    expect(entries[0]!.truncated).toEqual(['TEXT', 'BYTES']);
  });

  test('leaves out fields beyond the limit of an entry, counts them, and always keeps the cursor', () => {
    const many = Array.from({ length: 100 }, (_, i): Pair => [`F${i}`, Buffer.alloc(1000, 'x')]);
    const { entries } = parse([encode([[...many, ['__CURSOR', Buffer.from('s=1')]], [['A', Buffer.from('b')]]])]);
    expect(entries[0]!.fields.length + entries[0]!.droppedFields).toBe(101);
    expect(entries[0]!.droppedFields).toBe(35);
    expect(entries[0]!.fields.at(-1)!.name).toBe('__CURSOR');
    expect(entries[1]).toMatchObject({ droppedFields: 0, bytes: 2 });
  });

  test('tells of lines that are no fields, as the comments of old versions, and goes on', () => {
    const text = '-- Logs begin at Mon 2024-01-01 --\nMESSAGE=a\nlower=b\n\nMESSAGE=c\n\n';
    const { entries, stray } = parse([Buffer.from(text)]);
    expect(stray).toEqual(['-- Logs begin at Mon 2024-01-01 --', 'lower=b']);
    expect(entries.map(pairsOf)).toEqual([[['MESSAGE', [0x61]]], [['MESSAGE', [0x63]]]]);
  });
});
