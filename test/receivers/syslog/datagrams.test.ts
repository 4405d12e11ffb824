import { describe, expect, test } from 'vitest';
import { parseUdpDrops } from '../../../receivers/syslog/datagrams.ts';
import { checkExposure, createAllowedSources, parseSource, splitEndpoint } from '../../../receivers/syslog/options.ts';

const HEAD =
  '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops';
const V4 = `${HEAD}
  57: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 25681 2 0000000012345678 17
  58: 00000000:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 25682 2 0000000012345678 3
`;
const V6 = `${HEAD}
  57: B80D0120000000000000000001000000:0202 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 25681 2 0000000012345678 5
  58: 00000000000000000000000001000000:0202 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 25681 2 0000000012345678 9
`;

test.each([
  [V4, '127.0.0.1', 8080, 17],
  [V4, '0.0.0.0', 8080, 3],
  [V4, '127.0.0.1', 8081, undefined],
  [V6, '::1', 514, 9],
  [V6, '2001:db8::1', 514, 5],
  ['', '::', 514, undefined],
])('parseUdpDrops finds the socket (%#)', (table, address, port, drops) => {
  expect(parseUdpDrops(table, address, port)).toBe(drops);
});

describe('createAllowedSources', () => {
  test('takes addresses and networks of both versions', () => {
    const list = createAllowedSources(['10.0.0.0/8', '192.168.1.7', '2001:db8::/32'])!;
    expect(list.check('10.200.0.1', 'ipv4')).toBe(true);
    expect(list.check('192.168.1.8', 'ipv4')).toBe(false);
    expect(list.check('2001:db8:1::5', 'ipv6')).toBe(true);
    expect(createAllowedSources([])).toBeUndefined();
  });

  test.each(['10.0.0.0/33', 'example.com', '', '::1/129', 'fe80::1%eth0', '10.0.0.0/'])('%j is no source', (text) => {
    expect(parseSource(text)).toBeUndefined();
  });
});

test('checkExposure lets nobody listen for other machines by accident', () => {
  expect(() => checkExposure('0.0.0.0:514', false, false, 'hint')).toThrow(
    'Cannot listen on 0.0.0.0:514: other machines could send and read, and without TLS (hint)',
  );
  checkExposure('127.0.0.1:514', false, false, '');
  checkExposure('0.0.0.0:514', true, false, '');
  checkExposure('0.0.0.0:514', false, true, '');
});

test('splitEndpoint knows brackets and where ports end', () => {
  expect(splitEndpoint('[::1]:514')).toEqual({ host: '::1', port: 514 });
  expect(() => splitEndpoint('127.0.0.1:70000')).toThrow('Cannot listen on 127.0.0.1:70000: ports end at 65535');
});
