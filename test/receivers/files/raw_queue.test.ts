import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IN_CREATE, IN_Q_OVERFLOW } from '../../../receivers/files/inotify.ts';
import { createRawQueue, encodeEvent, type RawQueue } from '../../../receivers/files/raw_queue.ts';

const event = fc.record({
  watch: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  mask: fc.integer({ min: 1, max: 2 ** 32 - 1 }).filter((mask) => (mask & IN_Q_OVERFLOW) === 0),
  cookie: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  // As the kernel allows: up to 255 bytes of anything but NUL and the slash; here a character each.
  name: fc
    .array(
      fc.integer({ min: 1, max: 255 }).filter((byte) => byte !== 47),
      { maxLength: 255 },
    )
    .map((bytes) => Buffer.from(bytes).toString('latin1')),
});

function all(queue: RawQueue): object[] {
  const taken: object[] = [];
  while (queue.next()) {
    const { time: _, ...rest } = queue.event;
    taken.push(rest);
  }
  return taken;
}

test('createRawQueue gives back what was put in, in order, however it was cut into reads', () => {
  fc.assert(
    fc.property(fc.array(fc.array(event, { minLength: 1, maxLength: 5 }), { maxLength: 8 }), (reads) => {
      const queue = createRawQueue(2 ** 20);
      for (const read of reads) {
        queue.push(Buffer.concat(read.map(({ watch, mask, cookie, name }) => encodeEvent(watch, mask, name, cookie))));
      }
      expect(all(queue)).toEqual(reads.flat());
      expect(queue.isEmpty).toBe(true);
      expect(queue.bytes).toBe(0);
    }),
  );
});

test('createRawQueue keeps to its limit, marks the gap where it is, and counts what is lost in it', () => {
  const queue = createRawQueue(550);
  const read = Buffer.concat([encodeEvent(1, IN_CREATE, 'a'), encodeEvent(1, IN_CREATE, 'b')]);
  queue.push(read);
  queue.push(read);
  expect(queue.overflowsAhead).toBe(0);
  queue.push(read);
  queue.push(read);
  expect(queue.overflowsAhead).toBe(1);
  const taken = all(queue) as { watch: number; mask: number }[];
  expect(taken.map(({ mask }) => mask)).toEqual([IN_CREATE, IN_CREATE, IN_CREATE, IN_CREATE, IN_Q_OVERFLOW]);
  expect(queue.overflowsAhead).toBe(0);
  // Until whoever reads has begun anew, events are of a state that nobody knows.
  queue.push(read);
  expect(queue.next()).toBe(false);
  expect(queue.endGap()).toBe(6);
  queue.push(read);
  expect(all(queue)).toHaveLength(2);
  expect(queue.endGap()).toBe(0);
});

test('createRawQueue knows of overflows of the kernel that are still to come', () => {
  const queue = createRawQueue(2 ** 16);
  const overflow = encodeEvent(-1, IN_Q_OVERFLOW, '');
  queue.push(Buffer.concat([overflow, encodeEvent(1, IN_CREATE, 'a'), overflow]));
  expect(queue.overflowsAhead).toBe(2);
  queue.next();
  expect(queue.overflowsAhead).toBe(1);
});
