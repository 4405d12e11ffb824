import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  escapeName,
  isLegacyLabelName,
  isLegacyMetricName,
  translateLabelName,
  translateMetricName,
  translateUnit,
  type Escaping,
  type TranslationStrategy,
} from '../../src/prometheus/names.ts';

// The unit 'binary' of fast-check, which this is, takes a second to prepare.
const ANY_CHARACTER = fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code));

type Kind = 'counter' | 'gauge' | 'other';

function nameOf(
  name: string,
  unit: string,
  kind: Kind,
  strategy: TranslationStrategy = 'UnderscoreEscapingWithSuffixes',
  namespace = '',
): string | undefined {
  const metric = { name, unit, isCounter: kind === 'counter', isGauge: kind === 'gauge' };
  return translateMetricName(metric, { strategy, namespace });
}

describe('translateMetricName with underscores and suffixes', () => {
  test.each<[string, string, Kind, string | undefined]>([
    ['system.cpu.time', 's', 'counter', 'system_cpu_time_seconds_total'],
    ['system.cpu.utilization', '1', 'gauge', 'system_cpu_utilization_ratio'],
    ['system.memory.usage', 'By', 'other', 'system_memory_usage_bytes'],
    ['system.network.packet.count', '{packet}', 'counter', 'system_network_packet_count_total'],
    ['hw.network.bandwidth.limit', 'By/s', 'other', 'hw_network_bandwidth_limit_bytes_per_second'],
    ['hw.temperature', 'Cel', 'gauge', 'hw_temperature_celsius'],
    ['hw.status', '1', 'other', 'hw_status'],
    ['system.disk.io_time', 's', 'counter', 'system_disk_io_time_seconds_total'],
    ['container.cpu.usage', '{cpu}', 'gauge', 'container_cpu_usage'],
    ['metric@@##$$name', '', 'gauge', 'metric_name'],
    ['requests_total', '', 'counter', 'requests_total'],
    ['total.requests', '', 'counter', 'requests_total'],
    ['cpu_usage_ratio', '1', 'gauge', 'cpu_usage_ratio'],
    ['items', '1', 'counter', 'items_total'],
    ['requests', '1/s', 'gauge', 'requests_per_second'],
    ['custom_metric', 'By/{custom}', 'gauge', 'custom_metric_bytes'],
    ['custom_metric', 'unit@with#special/chars', 'gauge', 'custom_metric_unit_with_special_per_chars'],
    [
      'metric__with__multiple__underscores',
      'unit__multiple__underscores',
      'gauge',
      'metric_with_multiple_underscores_unit_multiple_underscores',
    ],
    ['response_time_seconds', 's', 'gauge', 'response_time_seconds'],
    ['uptime', 'd', 'gauge', 'uptime_days'],
    ['speed', 'm/h', 'gauge', 'speed_meters_per_hour'],
    ['123metric', '', 'gauge', '_123metric'],
    ['job:rate', '', 'gauge', 'job:rate'],
    ['@#$%', '', 'gauge', undefined],
    ['', '', 'counter', 'total'],
    ['', '', 'gauge', undefined],
  ])('makes %s in %s, a %s, to %s', (name, unit, kind, expected) => {
    expect(nameOf(name, unit, kind)).toBe(expected);
  });

  test('puts the namespace first', () => {
    expect(nameOf('requests', '1/s', 'counter', undefined, 'app')).toBe('app_requests_per_second_total');
    expect(nameOf('123_requests', '', 'counter', undefined, 'app')).toBe('app_123_requests_total');
  });

  test('never gives a name that needs quotes, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: ANY_CHARACTER }),
        fc.string(),
        fc.constantFrom('counter', 'gauge', 'other'),
        (name, unit, kind) => {
          const translated = nameOf(name, unit, kind as Kind);
          if (translated !== undefined) expect(isLegacyMetricName(translated)).toBe(true);
        },
      ),
    );
  });
});

test.each<[TranslationStrategy, string, string, Kind, string, string]>([
  ['UnderscoreEscapingWithoutSuffixes', 'system.cpu.time', 's', 'counter', '', 'system_cpu_time'],
  ['UnderscoreEscapingWithoutSuffixes', 'metric@with#special$chars', '', 'gauge', '', 'metric_with_special_chars'],
  ['UnderscoreEscapingWithoutSuffixes', '123metric', '', 'gauge', '', '_123metric'],
  ['UnderscoreEscapingWithoutSuffixes', 'simple_metric', '', 'gauge', 'test_namespace', 'test_namespace_simple_metric'],
  ['NoUTF8EscapingWithSuffixes', 'requêsts', '1/s', 'counter', 'ñamespace', 'ñamespace_requêsts_per_second_total'],
  ['NoUTF8EscapingWithSuffixes', 'system.cpu.utilization', '1', 'gauge', '', 'system.cpu.utilization_ratio'],
  ['NoUTF8EscapingWithSuffixes', 'disk.total', 'By', 'counter', '', 'disk_bytes_total'],
  ['NoUTF8EscapingWithSuffixes', 'memory.bytes', 'By', 'gauge', '', 'memory.bytes'],
  ['NoTranslation', 'system.cpu.time', 's', 'counter', '', 'system.cpu.time'],
  ['NoTranslation', 'lone \ud800', 's', 'counter', '', 'lone \ufffd'],
])(
  'translateMetricName with %s makes %s (%s, a %s, namespace "%s") to %s',
  (strategy, name, unit, kind, namespace, to) => {
    expect(nameOf(name, unit, kind, strategy, namespace)).toBe(to);
  },
);

test.each([
  ['By/s', 'bytes_per_second'],
  ['s', 'seconds'],
  ['1', ''],
  ['1/s', 'per_second'],
  ['{packet}', ''],
  ['unit@with#special/chars', 'unit_with_special_per_chars'],
])('translateUnit makes %s to "%s"', (unit, expected) => {
  expect(translateUnit(unit)).toBe(expected);
});

test.each([
  ['http.method', 'http_method'],
  ['label:with:colons', 'label_with_colons'],
  ['label!with&special$chars)', 'label_with_special_chars_'],
  ['label_with_foreign_characters_字符', 'label_with_foreign_characters_'],
  ['123label', 'key_123label'],
  ['_label_starting_with_underscore', '_label_starting_with_underscore'],
  ['__label_starting_with_2underscores', '_label_starting_with_2underscores'],
  ['label__with__double__underscores', 'label_with_double_underscores'],
  ['__reserved__label__name__', '__reserved_label_name__'],
  ['trailing_underscores___', 'trailing_underscores_'],
])('translateLabelName makes %s to %s', (key, expected) => {
  expect(translateLabelName(key, 'UnderscoreEscapingWithSuffixes')).toBe(expected);
});

test('translateLabelName tells apart keys of which nothing legal is left', () => {
  const labels = ['ようこそ', '字符', '', '__', '.'].map((key) =>
    translateLabelName(key, 'UnderscoreEscapingWithSuffixes'),
  );
  for (const label of labels) expect(isLegacyLabelName(label)).toBe(true);
  expect(new Set(labels.slice(0, 2)).size).toBe(2);
});

test('names that are not translated have no NUL, which Prometheus takes for the end of the scrape', () => {
  expect(nameOf('a\0b', 'x\0', 'gauge', 'NoTranslation')).toBe('a\ufffdb');
  expect(nameOf('a\0b', 'x\0', 'gauge', 'NoUTF8EscapingWithSuffixes')).toBe('a\ufffdb_x\ufffd');
  expect(translateLabelName('a\0b', 'NoTranslation')).toBe('a\ufffdb');
});

test('translateLabelName leaves keys as they are where UTF-8 is allowed', () => {
  expect(translateLabelName('http.method', 'NoTranslation')).toBe('http.method');
});

test.each<[Escaping, string, string]>([
  ['underscores', 'metric.name/with/slashes', 'metric_name_with_slashes'],
  ['underscores', '1metric', '_metric'],
  ['dots', 'metric.name.with.dots', 'metric_dot_name_dot_with_dot_dots'],
  ['dots', 'a_b', 'a__b'],
  ['dots', 'a b', 'a_b'],
  ['values', 'metric.name', 'U__metric_2e_name'],
  ['values', 'a_b.c', 'U__a__b_2e_c'],
  ['values', 'a_b', 'a_b'],
  ['values', '😀', 'U___1f600_'],
  ['allow-utf-8', 'metric.name', 'metric.name'],
])('escapeName by %s makes %s to %s', (escaping, name, expected) => {
  expect(escapeName(name, escaping, isLegacyMetricName)).toBe(expected);
});

test('escapeName gives legal names by every scheme but the one that allows all', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: ANY_CHARACTER, minLength: 1 }),
      fc.constantFrom<Escaping>('underscores', 'dots', 'values'),
      (name, escaping) => {
        expect(isLegacyMetricName(escapeName(name, escaping, isLegacyMetricName))).toBe(true);
        expect(isLegacyLabelName(escapeName(name, escaping, isLegacyLabelName))).toBe(true);
      },
    ),
  );
});
