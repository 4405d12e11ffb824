import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultConfigPath, findEnvironment, listEnvironments } from '../../src/config/overlays.ts';
import type { ConfigProblem } from '../../src/errors.ts';
import { folderOf } from './folder.ts';

describe('defaultConfigPath', () => {
  it('prefers the configuration of the machine, and else finds the one that comes along', () => {
    const folder = folderOf({ 'sonde.yaml': '' });
    expect(defaultConfigPath(join(folder, 'sonde.yaml'))).toBe(join(folder, 'sonde.yaml'));
    const packaged = defaultConfigPath(join(folder, 'nowhere.yaml'));
    expect(packaged).toBe(join(import.meta.dirname, '../../configs/sonde.yaml'));
    expect(existsSync(packaged)).toBe(true);
  });
});

describe('findEnvironment', () => {
  it('looks beside the files, the last first', () => {
    const folder = folderOf({
      'a/one.yaml': '',
      'a/edge.yaml': '',
      'b/two.yaml': '',
      'b/edge.json': '',
      'a/prod.yml': '',
    });
    const files = [join(folder, 'a/one.yaml'), join(folder, 'b/two.yaml')];
    const problems: ConfigProblem[] = [];
    expect(findEnvironment('edge', files, problems)).toBe(join(folder, 'b/edge.json'));
    expect(findEnvironment('prod', files, problems)).toBe(join(folder, 'a/prod.yml'));
    expect(problems).toEqual([]);
    expect(listEnvironments(files)).toEqual(['edge', 'prod']);
  });

  it.each(['../edge', 'a/b', '', '.hidden/../edge'])('does not leave the folder for "%s"', (name) => {
    const folder = folderOf({ 'a/one.yaml': '', 'edge.yaml': '' });
    const problems: ConfigProblem[] = [];
    expect(findEnvironment(name, [join(folder, 'a/one.yaml')], problems)).toBeUndefined();
    expect(problems).toHaveLength(1);
  });
});
