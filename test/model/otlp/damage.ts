import fc from 'fast-check';

/** Bytes changed, put in and cut off at random places. */
export function damaged(messages: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom('set', 'insert', 'remove', 'cut'),
    byte: fc.nat({ max: 255 }),
  });
  return fc.tuple(messages, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([message, edits]) => {
    let bytes = [...message];
    for (const { at, kind, byte } of edits) {
      const index = at % (bytes.length + 1);
      if (kind === 'cut') bytes = bytes.slice(0, index);
      else bytes.splice(index, kind === 'insert' ? 0 : 1, ...(kind === 'remove' ? [] : [byte]));
    }
    return Uint8Array.from(bytes);
  });
}
