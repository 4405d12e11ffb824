import { describe, expect, test } from 'vitest';
import type { AnyValue } from '../../src/model/attributes.ts';
import { parseField, readField, withoutFields } from '../../src/model/record_fields.ts';
import { logRecord, RESOURCE, SCOPE } from '../support/processor.ts';

const record = logRecord(
  { user: { id: 7, 'a.b': 'dotted' }, 'user.id': 'whole', list: [1] },
  {
    attributes: { 'http.route': '/x', http: { status: 200, x: 1 } },
    eventName: 'e',
    traceId: 't',
    spanId: 's',
  },
);

describe('readField', () => {
  test.each<[string, AnyValue | undefined]>([
    ['body', record.body],
    ['body.user.id', 'whole'],
    ['body.user.a\\.b', 'dotted'],
    ['body.user.none', undefined],
    ['body.list.0', undefined],
    ['attributes.http.route', '/x'],
    ['attributes.http.status', 200],
    ['attributes.toString', undefined],
    ['resource.host.name', 'test'],
    ['severity_number', 9],
    ['severity_text', 'INFO'],
    ['event_name', 'e'],
    ['trace_id', 't'],
    ['span_id', 's'],
    ['scope', 'test'],
  ])('%s', (text, value) => {
    expect(readField(record, parseField(text)!)).toEqual(value);
  });

  test('finds nothing in a body that is a text', () => {
    expect(readField(logRecord('user'), parseField('body.user')!)).toBeUndefined();
  });
});

test.each(['', 'bodies', 'body.', 'attributes', 'resource', 'time', 'attributes.'])('parseField refuses %j', (text) => {
  expect(parseField(text)).toBeUndefined();
});

test('withoutFields takes fields out of body and attributes, and leaves the record if none is there', () => {
  const fields = (...texts: string[]) => texts.map((text) => parseField(text)!);
  expect(withoutFields(record, fields('body.x', 'attributes.y.z', 'resource.host.name', 'body'))).toBe(record);
  const changed = withoutFields(record, fields('body.user.id', 'body.user.a\\.b', 'attributes.http.x'));
  expect(changed.body).toEqual({ user: { id: 7 }, list: [1] });
  expect(changed.attributes).toEqual({ 'http.route': '/x', http: { status: 200 } });
  expect([changed.resource, changed.scope]).toEqual([RESOURCE, SCOPE]);
});
