import { expect, test } from 'vitest';
import { negotiateEncoding, negotiateFormat } from '../../../exporters/prometheus/negotiation.ts';

const TEXT = 'text/plain; version=0.0.4; charset=utf-8';

test.each<[string, string | undefined, string]>([
  ['no header', undefined, TEXT],
  ['a browser', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', TEXT],
  ['nothing we have', 'image/png', TEXT],
  ['plain text', 'text/plain', TEXT],
  [
    'Prometheus 3',
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
    'application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8',
  ],
  [
    'Prometheus 2',
    'application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    'application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores',
  ],
  [
    'protobuf first',
    'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.9,text/plain;version=1.0.0;escaping=values;q=0.5',
    'text/plain; version=1.0.0; charset=utf-8; escaping=values',
  ],
  [
    'the old spelling',
    'text/plain;version=1.0.0;escaping=allow-utf8',
    'text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8',
  ],
  ['qualities in any order', 'application/openmetrics-text;version=1.0.0;q=0.2,text/plain;version=0.0.4;q=0.9', TEXT],
  ['a quality of 0', 'application/openmetrics-text;version=1.0.0;q=0,text/plain', TEXT],
  ['a version to come', 'application/openmetrics-text;version=9.0.0,text/plain;q=0.1', TEXT],
  ['an escaping that is none', 'text/plain;version=0.0.4;escaping=<script>', TEXT],
  [
    'OpenMetrics of any version',
    'application/openmetrics-text',
    'application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores',
  ],
])('negotiateFormat answers %s', (_, accept, contentType) => {
  expect(negotiateFormat(accept).contentType).toBe(contentType);
});

test('negotiateFormat says how names are escaped', () => {
  expect(negotiateFormat('text/plain;version=1.0.0;escaping=dots')).toMatchObject({ kind: 'text', escaping: 'dots' });
  expect(negotiateFormat(undefined)).toMatchObject({ kind: 'text', escaping: 'underscores' });
});

test.each([
  [undefined, 'identity'],
  ['', 'identity'],
  ['gzip', 'gzip'],
  ['gzip, deflate, br', 'gzip'],
  ['gzip, zstd', 'zstd'],
  ['gzip;q=1, zstd;q=0.5', 'gzip'],
  ['gzip;q=0', 'identity'],
  ['identity;q=1, gzip;q=0.5', 'identity'],
  ['br', 'identity'],
] as const)('negotiateEncoding takes from "%s" %s', (header, expected) => {
  expect(negotiateEncoding(header)).toBe(expected);
});
