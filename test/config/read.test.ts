/** Which components a configuration loads, and that what it says does not depend on it. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { formatProblems } from '../../src/config/frames.ts';
import { loadConfig, loadWithComponents } from '../../src/config/load.ts';
import { SECTIONS, type Catalog } from '../../src/config/registry.ts';
import { ConfigError } from '../../src/errors.ts';
import { catalogOf } from '../support/catalog.ts';
import { DEFAULT, folderOf, PIPELINE } from './folder.ts';
import { registry } from './registry.ts';

/** All components of the tests, and those that were loaded of them. */
function watchedCatalog(): { catalog: Catalog; loaded: Set<string> } {
  const loaded = new Set<string>();
  const watch = <L>(section: string, loaders: Readonly<Record<string, () => L>>): Record<string, () => L> =>
    Object.fromEntries(
      Object.entries(loaders).map(([type, loader]) => [type, () => (loaded.add(`${section} ${type}`), loader())]),
    );
  const { receivers, processors, exporters } = catalogOf(registry);
  const catalog = {
    receivers: watch('receivers', receivers),
    processors: watch('processors', processors),
    exporters: watch('exporters', exporters),
  };
  return { catalog, loaded };
}

interface Loaded {
  readonly loaded: readonly string[];
  /** What is wrong, as it is shown; nothing where all is right. */
  readonly said: string;
  /** The same, where every component is loaded. */
  readonly saidWithAll: string;
}

async function loadTexts(texts: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Loaded> {
  const folder = folderOf(Object.fromEntries(texts.map((text, at) => [`${at}.yaml`, text])));
  const files = texts.map((_, at) => join(folder, `${at}.yaml`));
  const { catalog, loaded } = watchedCatalog();
  const options = { files, env, defaultFile: files[0] };
  const said = await problemsOf(() => loadWithComponents({ ...options, catalog }));
  const saidWithAll = await problemsOf(() => loadConfig({ ...options, registry }));
  return { loaded: [...loaded].toSorted(), said, saidWithAll };
}

async function problemsOf(load: () => unknown): Promise<string> {
  try {
    await load();
    return '';
  } catch (error) {
    if (error instanceof ConfigError) return formatProblems(error.problems);
    throw error;
  }
}

const ALL = SECTIONS.flatMap((section) => registry.types[section].map((type) => `${section} ${type}`)).toSorted();

it('loadWithComponents loads what a configuration names, by whatever id, and nothing else', async () => {
  expect(await loadTexts([DEFAULT])).toEqual({
    loaded: ['exporters prometheus', 'receivers cpu'],
    said: '',
    saidWithAll: '',
  });
  const { loaded } = await loadTexts([`receivers:\n  cpu:\nprocessors:\n  attributes/a:${PIPELINE}`]);
  expect(loaded).toEqual(['exporters prometheus', 'processors attributes', 'receivers cpu']);
});

it.each([
  ['an unknown component', [DEFAULT.replaceAll('cpu', 'cpus')]],
  ['a component of another section', [`receivers:\n  cpu:\n  attributes:${PIPELINE}`]],
  ['a component that nobody defined', [DEFAULT.replace('[prometheus]', '[prometheus, otlp]')]],
  ['a section that is a list', [`processors: [attributes]\n${DEFAULT}`]],
  ['a file that is a list', ['- a']],
])('loadWithComponents says of %s what it would with all of them', async (_, texts) => {
  const { loaded, said, saidWithAll } = await loadTexts(texts);
  expect(said).toBe(saidWithAll);
  expect(said).not.toBe('');
  expect(loaded).not.toEqual(ALL);
});

it('loadWithComponents hides the secrets of a component that an overlay removes', async () => {
  const exporters = 'exporters: { otlp: { headers: { a: hunter2 } }, prometheus: { depth: 1 } }';
  const texts = [DEFAULT.replace('exporters:\n  prometheus:', exporters), 'exporters: { otlp: null }'];
  const { said, saidWithAll, loaded } = await loadTexts(texts);
  expect(loaded).toContain('exporters otlp');
  expect(said).toBe(saidWithAll);
  expect(said).toContain('headers: { a: [REDACTED] }');
});

it('loadWithComponents loads all where a text cannot be parsed: any may have its secrets in it', async () => {
  const { said, saidWithAll, loaded } = await loadTexts([`${DEFAULT}\n  otlp: { headers: { a: "hunter2 }`]);
  expect(loaded).toEqual(ALL);
  expect(said).toBe(saidWithAll);
  expect(said).not.toContain('hunter2');
});

it('loadWithComponents loads the otlp exporter that a variable asks for', async () => {
  const { loaded } = await loadTexts([DEFAULT], { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' });
  expect(loaded).toEqual(['exporters otlp', 'exporters prometheus', 'receivers cpu']);
});

it('loadWithComponents says which component cannot be loaded', async () => {
  const { catalog } = watchedCatalog();
  const cpu = () => Promise.reject(new Error('there is no such file'));
  const files = [join(folderOf({ 'a.yaml': DEFAULT }), 'a.yaml')];
  await expect(
    loadWithComponents({ files, env: {}, catalog: { ...catalog, receivers: { ...catalog.receivers, cpu } } }),
  ).rejects.toThrow('Cannot load receiver cpu: there is no such file');
});
