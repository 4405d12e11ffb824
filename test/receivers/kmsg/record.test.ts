import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseKmsg, recordOf } from '../../../receivers/kmsg/record.ts';

const parse = (text: string) => parseKmsg(Buffer.from(text, 'latin1'));

describe('parseKmsg', () => {
  test('reads a record with its dictionary', () => {
    const text =
      '6,339,5140900,-,caller=T12;NET: Registered protocol family 10\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:00.0\n';
    expect(parse(text)).toEqual({
      severity: 6,
      facility: 0,
      sequence: 339,
      time_us: 5140900,
      isFragment: false,
      caller: 'T12',
      text: 'NET: Registered protocol family 10',
      dictionary: [
        ['SUBSYSTEM', 'pci'],
        ['DEVICE', '+pci:0000:00:00.0'],
      ],
    });
  });

  test('reads what users write to it, with a facility of its own', () => {
    expect(parse('30,4,7,-;systemd[1]: started; really\n')).toMatchObject({
      severity: 6,
      facility: 3,
      text: 'systemd[1]: started; really',
    });
  });

  test('takes back what the kernel escaped: text where it is text, else bytes', () => {
    expect(parse(String.raw`4,1,2,c;a\x0ab \xe2\x9c\x93 \x5cx41` + '\n')).toMatchObject({
      text: 'a\nb ✓ \\x41',
      isFragment: true,
    });
    expect(parse(String.raw`4,1,2,+;a\xff` + '\n')!.text).toEqual(new Uint8Array([0x61, 0xff]));
  });

  test('has a place for fields of newer kernels', () => {
    expect(parse('6,1,2,-,caller=C3,more=x;text\n')).toMatchObject({ caller: 'C3', text: 'text' });
  });

  test.each(['', 'text', '6,1;text', '6,1,x,-;text', ';', '6,1,2,-'])('refuses %j', (text) => {
    expect(parse(text)).toBeUndefined();
  });

  test('never throws', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseKmsg(bytes)));
  });
});

test('recordOf tells who, where and how sure its time is', () => {
  const origin = {
    resource: { attributes: {}, schemaUrl: '' },
    scope: { name: '', version: '', attributes: {}, schemaUrl: '' },
    time: 5n,
    observedTime: 9n,
  };
  const thread = recordOf(parse('3,7,21,c,caller=T12;x\n DEVICE=b8:0\n')!, { ...origin, uncertainty_s: 1.5 });
  expect(thread).toMatchObject({ severityNumber: 17, severityText: 'err', body: 'x', time: 5n, observedTime: 9n });
  expect(thread.attributes).toEqual({
    'syslog.facility': 'kern',
    'kmsg.sequence': 7,
    'kmsg.uptime_us': 21,
    'kmsg.time.uncertainty': 1.5,
    'kmsg.is_fragment': true,
    'thread.id': 12,
    'kmsg.DEVICE': 'b8:0',
  });
  const cpu = recordOf(parse('3,7,21,-,caller=C2;x\n')!, { ...origin, uncertainty_s: 0 });
  expect(cpu.attributes).toEqual({
    'syslog.facility': 'kern',
    'kmsg.sequence': 7,
    'kmsg.uptime_us': 21,
    'cpu.logical_number': 2,
  });
});
