/** Reads LZ4 frames (lz4_Frame_format.md, lz4_Block_format.md): so much of them as Kafka's clients write. */

const MAGIC = 0x184d2204;

export function lz4Decompress(data: Buffer): Buffer {
  if (data.readUInt32LE(0) !== MAGIC) throw new RangeError('Cannot read an LZ4 frame: its magic number is wrong');
  const flags = data[4];
  if (flags >> 6 !== 1) throw new RangeError('Cannot read an LZ4 frame: its version is not 1');
  const hasBlockChecksum = (flags & 0x10) !== 0;
  let at = 7 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4);
  const out: number[] = [];
  for (;;) {
    const size = data.readUInt32LE(at);
    at += 4;
    if (size === 0) break;
    const length = size & 0x7fffffff;
    const block = data.subarray(at, at + length);
    if (size >>> 31 === 1) out.push(...block);
    else readBlock(block, out);
    at += length + (hasBlockChecksum ? 4 : 0);
  }
  const end = at + ((flags & 0x04) === 0 ? 0 : 4);
  if (end !== data.length) throw new RangeError(`Cannot read an LZ4 frame: it ends at ${end} of ${data.length}`);
  return Buffer.from(out);
}

function readBlock(block: Buffer, out: number[]): void {
  let at = 0;
  const more = (start: number): number => {
    let length = start;
    if (start === 15) for (let byte = 255; byte === 255; length += byte) byte = block[at++];
    return length;
  };
  while (at < block.length) {
    const token = block[at++];
    for (let left = more(token >> 4); left > 0; left--) out.push(block[at++]);
    if (at >= block.length) return;
    const offset = block.readUInt16LE(at);
    at += 2;
    if (offset === 0 || offset > out.length) throw new RangeError('Cannot read an LZ4 block: an offset is wrong');
    for (let left = more(token & 15) + 4; left > 0; left--) out.push(out.at(-offset)!);
  }
}
