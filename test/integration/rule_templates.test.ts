/** Asks promtool what Prometheus makes of the templates that the unit tests hold ours against. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { unquote } from '../../src/rules/template/lexer.ts';
import { TEMPLATE_CASES } from '../rules/template/cases.ts';
import { program } from './servers.ts';

test('Prometheus still makes of every template what the golden says', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-test-'));
  try {
    const rules = { groups: [{ name: 'g', rules: [{ alert: 'A', expr: 'x', annotations: TEMPLATE_CASES }] }] };
    const expected = { eval_time: '1m', alertname: 'A', exp_alerts: [{ exp_labels: {} }] };
    const input = { series: 'x{a="b",instance="web-1.example.com:9100"}', values: '1234567x5' };
    const tests = [{ interval: '1m', input_series: [input], alert_rule_test: [expected] }];
    writeFileSync(join(folder, 'rules.yml'), JSON.stringify(rules));
    writeFileSync(
      join(folder, 'tests.yml'),
      JSON.stringify({ rule_files: ['rules.yml'], evaluation_interval: '1m', tests }),
    );
    const printed = await output(await program('promtool'), ['test', 'rules', join(folder, 'tests.yml')]);
    const golden: Record<string, string> = {};
    for (const [, name, text] of printed.matchAll(/\b(case\d+)=("(?:[^"\\]|\\.)*")/g))
      golden[name!] = unquote(text!, 0);
    expect(Object.keys(golden).toSorted()).toEqual(Object.keys(TEMPLATE_CASES).toSorted());
    const text = `${JSON.stringify(golden, undefined, 2)}\n`;
    await expect(text).toMatchFileSnapshot(join(import.meta.dirname, '../golden/rules/templates.json'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** It fails, for no alert is what the test expects: that is how it shows what there was. */
function output(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(command, args, { maxBuffer: 2 ** 24 }, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}
