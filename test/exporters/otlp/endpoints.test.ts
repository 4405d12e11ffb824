import { expect, test } from 'vitest';
import { grpcTargets } from '../../../exporters/otlp/endpoints.ts';

test.each([
  [undefined, false, { address: '127.0.0.1:4317', isSecure: false }],
  ['http://collector:4317', false, { address: 'collector:4317', isSecure: false }],
  ['https://collector:4317', true, { address: 'collector:4317', isSecure: true }],
  ['https://collector', false, { address: 'collector:443', isSecure: true }],
  ['http://[::1]:4317', false, { address: '[::1]:4317', isSecure: false }],
  ['collector:4317', false, { address: 'collector:4317', isSecure: true }],
  ['collector:4317', true, { address: 'collector:4317', isSecure: false }],
  ['unix:/run/otel.sock', true, { address: 'unix:/run/otel.sock', isSecure: false }],
])('grpcTargets takes %j (insecure %j) for %j', (endpoint, insecure, expected) => {
  expect(grpcTargets('otlp', { endpoint, insecure, compression: 'gzip' }).logs).toEqual(expected);
});

test('grpcTargets prefers the endpoint of a signal', () => {
  const config = { endpoint: 'http://a:1', logs_endpoint: 'http://b:2', insecure: false, compression: 'none' };
  const targets = grpcTargets('otlp', config);
  expect([targets.metrics.address, targets.logs.address]).toEqual(['a:1', 'b:2']);
});
