/** Kills for want of memory in the kernel's log. */
import { expect, test } from 'vitest';
import { parseOomKill } from '../../../receivers/process_events/kernel_log.ts';
import { createKernelEvent } from '../../../receivers/process_events/source.ts';

const KILL =
  '3,812,5140900,-;Memory cgroup out of memory: Killed process 100 (two) words) total-vm:9000kB, anon-rss:80kB, file-rss:4kB, shmem-rss:2kB, UID:1000 pgtables:60kB oom_score_adj:0\n';

test('parseOomKill reads the line of Linux since 5.1', () => {
  const event = createKernelEvent();
  expect(parseOomKill(KILL, event)).toBe(true);
  expect(event).toMatchObject({ kind: 'oom_kill', pid: 100, name: 'two) words', time_ns: 5_140_900_000 });
  expect(event).toMatchObject({ resident_kib: 86, owner: 1000 });
});

test('parseOomKill reads the line of Linux 4.19', () => {
  const event = createKernelEvent();
  const line =
    '3,9,77,-;Out of memory: Kill process is other; Killed process 7 (x) total-vm:1kB, anon-rss:2kB, file-rss:3kB\n';
  expect(parseOomKill(line, event)).toBe(false);
  const short =
    '3,9,77,-;Out of memory: Killed process 7 (x) total-vm:1kB, anon-rss:2kB, file-rss:3kB, shmem-rss:0kB\n';
  expect(parseOomKill(short, event)).toBe(true);
  expect(event).toMatchObject({ pid: 7, resident_kib: 5, owner: -1 });
});

test('parseOomKill does not believe what others write into the log', () => {
  // Facility 1 (user-level messages) and severity 3.
  expect(parseOomKill(KILL.replace(/^3/, '11'), createKernelEvent())).toBe(false);
  expect(parseOomKill(`6,1,2,-;said ${KILL.slice(16)}`, createKernelEvent())).toBe(false);
});
