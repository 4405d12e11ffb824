import { expect, test } from 'vitest';
import { containerOf, createOrigin } from '../../../receivers/logs/origin.ts';

const ID = '0123456789abcdef'.repeat(4);

test.each<[string, Record<string, string | number> | undefined]>([
  [
    '/var/log/pods/default_web-7d5b_6a3f-11/nginx/2.log',
    {
      'k8s.namespace.name': 'default',
      'k8s.pod.name': 'web-7d5b',
      'k8s.pod.uid': '6a3f-11',
      'k8s.container.name': 'nginx',
      'k8s.container.restart_count': 2,
    },
  ],
  [
    '/var/log/pods/default_web_6a3f/nginx/0.log.20240101-000000',
    {
      'k8s.namespace.name': 'default',
      'k8s.pod.name': 'web',
      'k8s.pod.uid': '6a3f',
      'k8s.container.name': 'nginx',
      'k8s.container.restart_count': 0,
    },
  ],
  [
    `/var/log/containers/web-7d5b_default_my-nginx-${ID}.log`,
    {
      'k8s.namespace.name': 'default',
      'k8s.pod.name': 'web-7d5b',
      'k8s.container.name': 'my-nginx',
      'container.id': ID,
    },
  ],
  [`/var/lib/docker/containers/${ID}/${ID}-json.log`, { 'container.id': ID }],
  [`/hostfs/var/lib/docker/containers/${ID}/${ID}-json.log.1`, { 'container.id': ID }],
  ['/var/log/syslog', undefined],
])('containerOf(%j)', (path, expected) => {
  expect(containerOf(path)).toEqual(expected);
});

test('createOrigin puts the container into the resource, and the file into the attributes that are asked for', () => {
  const resource = { attributes: { 'host.name': 'h' }, schemaUrl: 's' };
  const all = { resource, hasName: true, hasPath: true, hasContainer: true };
  const path = `/var/lib/docker/containers/${ID}/${ID}-json.log`;
  expect(createOrigin(path, all)).toMatchObject({
    resource: { attributes: { 'host.name': 'h', 'container.id': ID }, schemaUrl: 's' },
    attributes: { 'log.file.name': `${ID}-json.log`, 'log.file.path': path },
    partial: { 'log.record.partial': true },
  });
  expect(createOrigin(path, { ...all, hasContainer: false }).resource).toBe(resource);
  expect(createOrigin('/a', { ...all, hasName: false, hasPath: false }).attributes).toEqual({});
});
