import { expect, test } from 'vitest';
import { createPathFilter } from '../../../receivers/files/filter.ts';

const wants = (include: string[], exclude: string[], path: string, isFolder = false): boolean =>
  createPathFilter(include, exclude).wants(path.slice(path.lastIndexOf('/') + 1), () => path, isFolder);

test.each<[string[], string[], string, boolean]>([
  [[], [], '/etc/a', true],
  [['*.conf'], [], '/etc/deep/a.conf', true],
  [['*.conf'], [], '/etc/a', false],
  [['/etc/ssl/*'], [], '/etc/ssl/certs/a.pem', true],
  [['/etc/ssl/*'], [], '/etc/a.pem', false],
  [[], ['*.swp'], '/etc/.a.swp', false],
  [[], ['/etc/ssl'], '/etc/ssl', false],
  [[], ['/etc/ssl'], '/opt/etc/ssl', true],
  [['*.conf'], ['a*'], '/etc/a.conf', false],
])('createPathFilter with include %j and exclude %j on %s: %s', (include, exclude, path, expected) => {
  expect(wants(include, exclude, path)).toBe(expected);
});

test('createPathFilter enters folders that are not included, but none that are excluded', () => {
  expect(wants(['*.conf'], [], '/etc/ssl', true)).toBe(true);
  expect(wants(['*.conf'], ['ssl'], '/etc/ssl', true)).toBe(false);
});

test('createPathFilter knows whether a path matters', () => {
  expect(createPathFilter(['*.conf'], ['x']).looksAtPaths).toBe(false);
  expect(createPathFilter(['*.conf'], ['/x']).looksAtPaths).toBe(true);
});
