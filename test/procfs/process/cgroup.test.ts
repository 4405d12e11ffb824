import { expect, test } from 'vitest';
import { parseCgroup } from '../../../src/procfs/process/cgroup.ts';
import { parsePasswd } from '../../../src/procfs/process/owners.ts';

const ID = '8d1c0c9fc3e4a0e4c0cfa2b3f7f3a7f0c4b8f3c6f1e9d2a7b6c5d4e3f2a1b0c9';

test.each([
  ['a service', '0::/system.slice/nginx.service\n', { unit: 'nginx.service' }],
  ['a service in slices', '0::/system.slice/system-pg.slice/pg@15-main.service\n', { unit: 'pg@15-main.service' }],
  ['a part of a service', '0::/system.slice/containerd.service/payload\n', { unit: 'containerd.service' }],
  [
    'what runs for a user',
    '0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n',
    { unit: 'user@1000.service' },
  ],
  ['a session', '0::/user.slice/user-1000.slice/session-3.scope\n', { unit: 'session-3.scope' }],
  ['an escaped name', '0::/system.slice/_cgroup.service\n', { unit: 'cgroup.service' }],
  ['Docker', `0::/system.slice/docker-${ID}.scope\n`, { unit: `docker-${ID}.scope`, containerId: ID }],
  ['Docker without systemd', `0::/docker/${ID}\n`, { unit: undefined, containerId: ID }],
  ['version 1', '9:memory:/\n1:name=systemd:/system.slice/cron.service\n0::/\n', { unit: 'cron.service' }],
  ['version 1 in a container', `9:memory:/docker/${ID}\n0::/\n`, { unit: undefined, containerId: ID }],
  ['the root', '0::/\n', { line: '0::/', unit: undefined, containerId: undefined }],
  ['nothing', '', { line: undefined, unit: undefined, containerId: undefined }],
])('parseCgroup reads %s', (_, text, expected) => {
  expect(parseCgroup(text)).toMatchObject(expected);
});

test('parsePasswd takes the first name of a number, and leaves out what is no line of a user', () => {
  const text = 'root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n# a:x:5:5\n+::::::\nbob:x:1000:1000::/:/\n';
  expect([...parsePasswd(text)]).toEqual([
    [0, 'root'],
    [1000, 'bob'],
  ]);
});
