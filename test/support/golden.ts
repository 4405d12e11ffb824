/** Tests that every receiver has: all it measures on every machine, as text in `test/golden/receivers/`. */
import { expect, test } from 'vitest';
import type { AnyReceiverDefinition } from '../../src/component.ts';
import { collectReceiver, renderBatches } from './collect.ts';
import { ELSEWHERE, MACHINES, recordedHost, rootOf } from './machines.ts';

/** One golden for each machine with a `/proc`, with every opt-in metric on. */
export function testGoldens(definition: AnyReceiverDefinition, machines: readonly string[] = MACHINES): void {
  test.each(machines)(`${definition.type} measures what the golden of %s says`, async (machine) => {
    const batches = await collectReceiver(definition, { rootPath: rootOf(machine), everything: true });
    await expect(renderBatches(batches)).toMatchFileSnapshot(goldenOf(definition, machine));
  });
}

/** One golden for each system that is measured through systeminformation. */
export function testGoldensElsewhere(definition: AnyReceiverDefinition): void {
  test.each(ELSEWHERE)(`${definition.type} measures what the golden of %s says`, async (platform) => {
    const batches = await collectReceiver(definition, { platform, host: recordedHost(platform), everything: true });
    await expect(renderBatches(batches)).toMatchFileSnapshot(goldenOf(definition, platform));
  });
}

function goldenOf({ type }: AnyReceiverDefinition, machine: string): string {
  return `${import.meta.dirname}/../golden/receivers/${type}.${machine}.txt`;
}
