/** The receiver `clock` beside a C program that asks the same kernel. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import clock from '../../receivers/clock.ts';
import { collectReceiver, valuesOf } from '../support/collect.ts';

test('clock reads what a C program reads of this kernel', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-clock-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(
    join(folder, 'clock.c'),
    `#include <stdio.h>
#include <sys/timex.h>
int main(void) {
  struct timex t = {0};
  adjtimex(&t);
  printf("[%d, %ld, %.17g]", !(t.status & STA_UNSYNC), t.maxerror, t.freq / 65536.0 / 1e6);
}`,
  );
  execFileSync('cc', ['-o', join(folder, 'clock'), join(folder, 'clock.c')]);
  const before = JSON.parse(execFileSync(join(folder, 'clock'), { encoding: 'utf8' })) as number[];
  const values = valuesOf(await collectReceiver(clock));
  const after = JSON.parse(execFileSync(join(folder, 'clock'), { encoding: 'utf8' })) as number[];
  expect([before[0], after[0]]).toContain(values['system.clock.synchronized{}']);
  expect([before[2], after[2]]).toContain(values['system.clock.frequency_adjustment{}']);
  // It grows all the time, until the service speaks.
  const maximum = values['system.clock.maximum_error{}']!;
  expect(maximum >= before[1]! / 1e6 || after[1]! < before[1]!).toBe(true);
});
