import * as grpc from '@grpc/grpc-js';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createServerCertificates } from '../../../receivers/otlp/server_certificates.ts';
import { createCertificates, type Certificates } from '../../support/certificates.ts';
import { createRecordedLog } from '../../support/recorded_log.ts';

let certificates: Certificates;
beforeAll(() => {
  certificates = createCertificates();
});
afterAll(() => certificates.remove());

test('createServerCertificates takes a changed pair, and keeps the old one while a file is broken', async () => {
  const { folder, server, client } = certificates;
  const tls = { cert_file: join(folder, 'current.pem'), key_file: join(folder, 'current.key') };
  const use = (pair: { cert_file: string; key_file: string }): void => {
    copyFileSync(pair.key_file, tls.key_file);
    copyFileSync(pair.cert_file, tls.cert_file);
  };
  use(server);
  const log = createRecordedLog();
  const made = createServerCertificates(grpc, tls, log, 5);
  const listener = new grpc.Server();
  const port = await new Promise<number>((resolve) => {
    listener.bindAsync('127.0.0.1:0', made.credentials, (_, bound) => resolve(bound));
  });
  const shown = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.on('error', reject);
    });
  await expect.poll(shown).toBe('server');
  writeFileSync(tls.cert_file, 'half a certificate');
  await expect.poll(() => log.lines.length).toBe(1);
  expect(log.lines[0]!.message).toMatch(/^Cannot take the changed certificate, and keeps the old one: /);
  rmSync(tls.cert_file);
  expect(await shown()).toBe('server');
  use(client);
  await expect.poll(shown).toBe('client');
  expect(log.lines[1]!.message).toBe('Uses the changed certificate');
  made.close();
  listener.forceShutdown();
});
