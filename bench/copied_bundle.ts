/** A bundle of the sources as they are now, in a folder of its own: whoever bundles meanwhile does not change it. */
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../test/support/free_port.ts';
import { launchFlags, temporaryFolder } from './agents.ts';

export interface CopiedBundle {
  /** Where it answers when it runs. */
  readonly url: string;
  /** Runs the default configuration, but for the port. */
  readonly args: readonly string[];
  /** Runs the configuration in a file. */
  argsFor(config: string): readonly string[];
  /** The next start is as the first after an installation. */
  forgetCompiled(): void;
  remove(): void;
}

const root = join(import.meta.dirname, '..');

export async function copyBundle(): Promise<CopiedBundle> {
  execFileSync(process.execPath, [join(root, 'scripts/bundle.ts')], { stdio: 'ignore' });
  const { path, remove } = temporaryFolder();
  const compiled = join(path, '.cache');
  cpSync(join(root, 'dist'), path, { recursive: true });
  const port = await freePort();
  const overlay = join(path, 'port.yaml');
  writeFileSync(overlay, `exporters: { prometheus: { endpoint: "127.0.0.1:${port}" } }\n`);
  const run = [...launchFlags(), join(path, 'sonde.cjs'), 'run'];
  return {
    url: `http://127.0.0.1:${port}/metrics`,
    args: [...run, '--config', join(root, 'configs/sonde.yaml'), '--config', overlay],
    argsFor: (config) => [...run, '--config', config],
    forgetCompiled: () => rmSync(compiled, { recursive: true, force: true }),
    remove,
  };
}
