import { describe, expect, test } from 'vitest';
import { parseTemplate } from '../../../exporters/graphite/template.ts';
import { Series } from '../../../src/model/batch.ts';
import type { Attributes } from '../../../src/model/attributes.ts';
import { metric } from '../../support/processor.ts';

const pathOf = (template: string, attributes: Attributes, name = 'cpu.time'): string => {
  const resource = { attributes: { 'host.name': 'web.1', cpu: 'of resource' }, schemaUrl: '' };
  const scope = { name: 'lib', version: '', attributes: { team: 'core', mode: 'of scope' }, schemaUrl: '' };
  return parseTemplate(template).pathOf(new Series(resource, scope, metric(name), attributes, 0n));
};

describe('parseTemplate', () => {
  test.each([
    ['{metric}', 'cpu.time'],
    ['{host.name}.{metric}', 'web_1.cpu.time'],
    ['servers.{host.name}.{metric}.cpu{cpu}.{mode}', 'servers.web_1.cpu.time.cpu0.user_nice'],
    ['{team}.{metric}', 'core.cpu.time'],
    ['{metric}.{missing}.{cpu}', 'cpu.time.0'],
    ['{metric}.x{missing}.{cpu}', 'cpu.time.0'],
    ['{metric}.{missing|no.ne}.{cpu}', 'cpu.time.no_ne.0'],
    ['{metric}.{empty|none}', 'cpu.time.none'],
    ['{metric}.{attributes}', 'cpu.time.0.z_z.user_nice'],
    ['{metric}.{cpu}.{attributes}', 'cpu.time.0.z_z.user_nice'],
    ['{metric}-{cpu}_{mode}', 'cpu.time-0_user_nice'],
  ])('%s', (template, path) => {
    expect(pathOf(template, { mode: 'user.nice', cpu: 0, empty: '', device: 'z z' })).toBe(path);
  });

  test('{attributes} of a series without any is no node', () => {
    expect(pathOf('a.{metric}.{attributes}', {})).toBe('a.cpu.time');
  });

  test.each([
    ['', 'a node of it is empty'],
    ['{host.name}', 'it has no {metric}'],
    ['{metric}.', 'a node of it is empty'],
    ['.{metric}', 'a node of it is empty'],
    ['{metric}..{cpu}', 'a node of it is empty'],
    ['{metric', 'nothing can be made of "{metric"'],
    ['{metric}.{}', 'nothing can be made of "{}"'],
    ['{metric}.a b', 'nothing can be made of " b"'],
    ['{metric}/x', 'nothing can be made of "/x"'],
    ['{metric}.{a|}', 'nothing can be made of "{a|}"'],
  ])('refuses %j', (template, why) => expect(() => parseTemplate(template)).toThrow(new SyntaxError(why)));
});
