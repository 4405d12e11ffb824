/** What Linux 6.18 told of the ends of a few processes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeTaskstats } from '../../../receivers/process_events/taskstats.ts';
import recorded from './data/taskstats.json' with { type: 'json' };

const messages = recorded.map((hex) => Buffer.from(hex, 'hex'));

test('decodeTaskstats reads names, owners and use, and whether threads go on', () => {
  const tasks = messages.flatMap((message) => decodeTaskstats(message) ?? []);
  expect(tasks.map(({ pid, name, owner, isWhole }) => `${pid} ${name} ${owner} ${isWhole}`)).toMatchInlineSnapshot(`
    [
      "15196 storm 0 true",
      "15197 sh 0 true",
      "15198 true 1000 true",
      "15199 perl 0 true",
      "15204 node 0 false",
      "15205 node 0 false",
      "15202 node 0 false",
      "15201 node 0 false",
      "15203 node 0 false",
      "15200 node 0 false",
      "15206 node 0 false",
    ]
  `);
  for (const { user_s, system_s, peak_bytes, began_s, parent } of tasks) {
    expect(user_s + system_s).toBeLessThan(1);
    expect(peak_bytes).toBeLessThan(2 ** 30);
    expect(new Date(began_s * 1000).getUTCFullYear()).toBe(2026);
    expect(parent).toBe(15189);
  }
  // The whole of Node.js.
  expect(tasks.find(({ pid }) => pid === 15200)!.peak_bytes).toBeGreaterThan(2 ** 24);
});

test('decodeTaskstats refuses what is cut short or no such message', () => {
  fc.assert(
    fc.property(fc.constantFrom(...messages), fc.nat({ max: 200 }), (message, length) => {
      expect(decodeTaskstats(message.subarray(0, length))).toBeUndefined();
      expect(decodeTaskstats(message, length)).toBeUndefined();
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      decodeTaskstats(Buffer.from(bytes));
    }),
  );
});
