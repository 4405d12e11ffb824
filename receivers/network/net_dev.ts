import { Cursor } from '../../src/procfs/bytes.ts';

const COLON = 58;
/** Numbers of a line: 8 received, 8 transmitted. */
const FIELDS = 16;

/**
 * Calls `visit` for each interface of `/proc/net/dev`, with the place of its name and the 16 numbers behind it;
 * `fields` is the same array every time. After the last line it throws if any could not be read, so that a bad line
 * costs that interface alone.
 *
 * `  eth0: 836804017   23440    0    0    0     0          0         0  1260296   14012    0    0    0     0       0          0`
 *
 * Received and transmitted: bytes, packets, errors, drops, fifo, then others. A name holds no colon and no blank; old
 * kernels put the first number right behind the colon. Source: `dev_seq_printf_stats` in net/core/net-procfs.c
 * @throws {SyntaxError}
 */
export function parseNetDev(
  file: Uint8Array,
  visit: (bytes: Uint8Array, nameStart: number, nameEnd: number, fields: Float64Array) => void,
): void {
  const cursor = new Cursor(file);
  const fields = new Float64Array(FIELDS);
  let bad: string | undefined;
  // Two lines of headings.
  let hasLine = cursor.nextLine() && cursor.nextLine();
  for (; hasLine; hasLine = cursor.nextLine()) {
    cursor.skipBlanks();
    const nameStart = cursor.position;
    const nameEnd = nameEndOf(file, nameStart);
    cursor.position = nameEnd + 1;
    let count = 0;
    while (count < FIELDS && !Number.isNaN((fields[count] = cursor.number()))) count++;
    // The last line of a file that was cut off may hold half a number.
    const hasNewline = file.indexOf(10, nameStart) !== -1;
    if (nameEnd > nameStart && count === FIELDS && hasNewline) visit(file, nameStart, nameEnd, fields);
    else {
      cursor.position = nameStart;
      bad ??= cursor.quoteLine();
    }
  }
  if (bad !== undefined) throw new SyntaxError(`Cannot parse /proc/net/dev: found the line ${bad}`);
}

/** Where the name ends that begins at `start`: at the colon; at `start` itself if the line has none. */
function nameEndOf(file: Uint8Array, start: number): number {
  let end = start;
  // Everything up to a blank is below 33; names hold none.
  while (end < file.length && file[end]! > 32 && file[end] !== COLON) end++;
  return file[end] === COLON ? end : start;
}
