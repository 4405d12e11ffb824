import { describe, expect, test } from 'vitest';
import { recordOf } from '../../../receivers/journald/record.ts';
import type { Entry } from '../../../receivers/journald/export_stream.ts';

const ORIGIN = {
  resource: { attributes: { 'host.name': 'here' }, schemaUrl: '' },
  scope: { name: 'test', version: '', attributes: {}, schemaUrl: '' },
};

function entry(fields: readonly (readonly [string, string | Uint8Array])[], more: Partial<Entry> = {}): Entry {
  return {
    fields: fields.map(([name, value]) => ({ name, value: typeof value === 'string' ? Buffer.from(value) : value })),
    truncated: [],
    droppedFields: 0,
    bytes: 0,
    ...more,
  };
}

const record = (fields: readonly (readonly [string, string | Uint8Array])[], more?: Partial<Entry>) =>
  recordOf(entry(fields, more), ORIGIN, 7n);

describe('recordOf', () => {
  test('names what the conventions name, and keeps the rest under its own name', () => {
    const { body, severityNumber, severityText, time, observedTime, attributes } = record([
      ['__CURSOR', 's=1;i=2'],
      ['__REALTIME_TIMESTAMP', '1795325111071229'],
      ['_SOURCE_REALTIME_TIMESTAMP', '1795325111000001'],
      ['MESSAGE', 'line one\nline two ✓'],
      ['PRIORITY', '3'],
      ['_PID', '42'],
      ['_COMM', 'sshd'],
      ['_SYSTEMD_UNIT', 'ssh.service'],
      ['SYSLOG_FACILITY', '10'],
      ['SYSLOG_IDENTIFIER', 'sshd'],
      ['CODE_LINE', '17'],
      ['_BOOT_ID', 'abc'],
      ['MY_FIELD', 'a'],
      ['MY_FIELD', 'b'],
      ['MY_FIELD', 'c'],
    ]);
    expect({ body, severityNumber, severityText, time, observedTime }).toEqual({
      body: 'line one\nline two ✓',
      severityNumber: 17,
      severityText: 'err',
      time: 1795325111000001000n,
      observedTime: 7n,
    });
    expect(attributes).toEqual({
      'log.record.uid': 's=1;i=2',
      'journald.__REALTIME_TIMESTAMP': '1795325111071229',
      'journald._SOURCE_REALTIME_TIMESTAMP': '1795325111000001',
      'process.pid': 42,
      'process.executable.name': 'sshd',
      'systemd.unit.name': 'ssh.service',
      'syslog.facility': 'authpriv',
      'syslog.appname': 'sshd',
      'code.line.number': 17,
      'journald._BOOT_ID': 'abc',
      'journald.MY_FIELD': ['a', 'b', 'c'],
    });
  });

  test('takes the time of the journal where the source has none', () => {
    expect(record([['__REALTIME_TIMESTAMP', '1795325111071229']]).time).toBe(1795325111071229000n);
    expect(record([['_SOURCE_REALTIME_TIMESTAMP', 'soon']]).time).toBe(0n);
  });

  test('keeps bytes as bytes where they are no text', () => {
    const bytes = new Uint8Array([0xff, 0xfe, 10]);
    const zero = new Uint8Array([65, 0, 66]);
    const { body, attributes } = record([
      ['MESSAGE', bytes],
      ['DATA', zero],
    ]);
    expect(body).toBe(bytes);
    expect(attributes).toEqual({ 'journald.DATA': zero });
  });

  test('keeps under its own name what is not what its name says', () => {
    const { severityNumber, attributes } = record([
      ['PRIORITY', '12'],
      ['_PID', 'many'],
      ['SYSLOG_FACILITY', '99'],
      ['_COMM', new Uint8Array([255])],
      ['MESSAGE', 'one'],
      ['MESSAGE', 'two'],
    ]);
    expect(severityNumber).toBe(0);
    expect(attributes).toEqual({
      'journald.PRIORITY': '12',
      'journald._PID': 'many',
      'journald.SYSLOG_FACILITY': '99',
      'journald._COMM': new Uint8Array([255]),
      'journald.MESSAGE': 'two',
    });
  });

  test('says what the limits took', () => {
    const { attributes, droppedAttributesCount } = record([['MESSAGE', 'x']], {
      truncated: ['MESSAGE'],
      droppedFields: 3,
    });
    expect(attributes['journald.truncated_fields']).toEqual(['MESSAGE']);
    expect(droppedAttributesCount).toBe(3);
  });
});
