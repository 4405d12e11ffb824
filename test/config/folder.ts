/** A temporary folder of configuration files, gone after the test. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { loadConfig, type LoadedConfig, type LoadOptions } from '../../src/config/load.ts';
import { ConfigError } from '../../src/errors.ts';
import { registry } from './registry.ts';

export const PIPELINE = `
exporters:
  prometheus:
service:
  pipelines:
    metrics: { receivers: [cpu], exporters: [prometheus] }
`;
export const DEFAULT = `receivers:\n  cpu:${PIPELINE}`;

/** Writes the files, by name, and returns the folder. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-config-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  }
  return folder;
}

type Options = Partial<Omit<LoadOptions, 'files' | 'defaultFile'>> & {
  /** What the default configuration is. */
  readonly defaultText?: string;
};

/** Loads texts that overlay each other in their order; the default configuration where there are none. */
export function load(texts: readonly string[] | string, { defaultText, ...options }: Options = {}): LoadedConfig {
  const list = typeof texts === 'string' ? [texts] : texts;
  const named = Object.fromEntries(list.map((text, at) => [`${at}.yaml`, text]));
  const folder = folderOf({ ...named, 'default.yaml': defaultText ?? DEFAULT });
  const files = list.map((_, at) => join(folder, `${at}.yaml`));
  return loadConfig({ files, env: {}, registry, defaultFile: join(folder, 'default.yaml'), ...options });
}

/** The messages of what is wrong; nothing where the configuration is right. */
export function faultsOf(texts: readonly string[] | string, options: Options = {}): string[] {
  try {
    load(texts, options);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ message }) => message);
    throw error;
  }
}
