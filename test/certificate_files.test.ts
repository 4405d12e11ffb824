import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readCertificates, watchCertificates } from '../src/certificate_files.ts';
import { createRecordedLog } from './support/recorded_log.ts';

function create() {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-certificates-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const files = { cert_file: join(folder, 'cert.pem'), key_file: join(folder, 'key.pem') };
  for (const file of Object.values(files)) writeFileSync(file, 'old', { mode: 0o600 });
  const log = createRecordedLog();
  const taken: string[] = [];
  const watch = (): void => {
    const take = ({ cert }: { readonly cert: Buffer }): void => {
      if (cert.toString() === 'bad') throw new Error('no certificate');
      taken.push(cert.toString());
    };
    onTestFinished(watchCertificates(files, take, log, 5));
  };
  const replace = (text: string): void => {
    writeFileSync(`${files.cert_file}.new`, text);
    renameSync(`${files.cert_file}.new`, files.cert_file);
  };
  return { folder, files, log, taken, watch, replace, said: () => log.lines.map(({ message }) => message) };
}

test('readCertificates names the option whose file cannot be read', () => {
  const { folder, files } = create();
  expect(readCertificates(files)).toMatchObject({ cert: Buffer.from('old'), minVersion: 'TLSv1.2' });
  const client_ca_file = join(folder, 'none');
  expect(() => readCertificates({ ...files, client_ca_file })).toThrow(
    `tls.client_ca_file "${client_ca_file}": ENOENT`,
  );
});

test('watchCertificates takes what was renewed, and once says of what is of no use or gone', async () => {
  const { files, log, taken, watch, replace, said } = create();
  watch();
  replace('new');
  await expect.poll(() => taken.length).toBe(1);
  replace('bad');
  await expect.poll(() => log.lines.length).toBe(1);
  rmSync(files.cert_file);
  await new Promise((resolve) => setTimeout(resolve, 20));
  replace('newer');
  await expect.poll(() => log.lines.length).toBe(2);
  expect(taken).toEqual(['new', 'newer']);
  expect(said()).toEqual([
    'Cannot take the changed certificate, and keeps the old one: no certificate',
    'Uses the changed certificate',
  ]);
});

test.skipIf(process.platform === 'win32')('watchCertificates warns of a key that everyone can read', () => {
  const { files, watch, said } = create();
  watch();
  expect(said()).toEqual([]);
  chmodSync(files.key_file, 0o644);
  watch();
  expect(said()).toEqual([expect.stringMatching(/^Everyone on this machine can read a private key/)]);
});
