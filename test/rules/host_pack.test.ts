/** The rules for hosts that come with the agent: each has its page, its tests, and metrics that there are. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { receivers } from '../../receivers/index.ts';
import { translateMetricName } from '../../src/prometheus/names.ts';
import { parse } from '../../src/promql/parse.ts';
import { selectorsOf } from '../../src/promql/selectors.ts';
import type { AlertingRule } from '../../src/rules/rule.ts';
import { parseRules } from '../../src/rules/sources.ts';
import { stringsIn } from '../../src/rules/template/strings.ts';
import { parseUnitTests } from '../../src/rules/unit_test/test_file.ts';

const root = join(import.meta.dirname, '../..');
const path = join(root, 'configs/rules/host.yaml');
const { file, problems, lints } = parseRules(readFileSync(path, 'utf8'), path);
const alerts = file.groups
  .flatMap(({ rules }) => rules)
  .filter((rule): rule is AlertingRule => rule.kind === 'alerting');

test('the pack has nothing wrong with it', () => {
  expect(problems).toEqual([]);
  expect(lints).toEqual([]);
  expect(alerts.length).toBeGreaterThanOrEqual(25);
  for (const { labels } of alerts) expect(['info', 'warning', 'critical']).toContain(labels.get('severity'));
});

test('each alert of the pack has its page', () => {
  for (const { name, annotations, labels } of alerts) {
    const page = annotations.get('runbook');
    expect(page).toBe(`docs/runbooks/${name}.md`);
    expect(existsSync(join(root, page!)), page).toBe(true);
    const text = readFileSync(join(root, page!), 'utf8');
    expect(text.startsWith(`# ${name}\n`)).toBe(true);
    expect(text).toContain(`Severity: ${labels.get('severity')}`);
  }
});

/** Names as the Prometheus exporter shows them with its default options, with the attributes as labels. */
async function shownMetrics(): Promise<Map<string, Set<string>>> {
  const shown = new Map<string, Set<string>>();
  for (const load of Object.values(receivers)) {
    const { metrics } = (await load()).default;
    for (const { name, unit, instrument, attributes } of Object.values(metrics)) {
      const named = { name, unit, isCounter: instrument === 'counter', isGauge: instrument === 'gauge' };
      const translated = translateMetricName(named, { strategy: 'UnderscoreEscapingWithSuffixes', namespace: '' })!;
      const labels = shown.get(translated) ?? new Set<string>();
      for (const attribute of attributes) labels.add(attribute.replaceAll(/\W/g, '_'));
      shown.set(translated, labels);
    }
  }
  return shown;
}

test('the pack asks only for metrics and labels that receivers have', async () => {
  const shown = await shownMetrics();
  for (const { name, expr, annotations } of alerts) {
    const queries = [expr, ...[...annotations.values()].flatMap((text) => stringsIn(text))];
    for (const { matchers } of queries.flatMap((text) => selectorsOf(parse(text), { lookback_ms: 300_000 }))) {
      const metric = matchers.find((matcher) => matcher.name === '__name__')!.value;
      expect([...shown.keys()], `${name} asks for ${metric}`).toContain(metric);
      for (const matcher of matchers) {
        if (matcher.name === '__name__') continue;
        expect([...shown.get(metric)!], `${name} asks ${metric} for ${matcher.name}`).toContain(matcher.name);
      }
    }
  }
});

test('each alert of the pack is tested, when it fires and when not', () => {
  const text = readFileSync(join(root, 'configs/rules/host_test.yaml'), 'utf8');
  const tests = parseUnitTests(text, 'host_test.yaml').file.tests.flatMap((one) => one.alertTests);
  const tested = (fires: boolean): Set<string> =>
    new Set(tests.filter(({ expected }) => expected.length > 0 === fires).map(({ alertname }) => alertname));
  const names = alerts.map(({ name }) => name).toSorted();
  expect([...tested(true)].toSorted()).toEqual(names);
  expect([...tested(false)].toSorted()).toEqual(names);
});
