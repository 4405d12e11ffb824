import { describe, expect, test } from 'vitest';
import { hintForStart } from '../../src/cli/start_hint.ts';
import { catalog } from '../../src/cli/catalog.ts';
import { loadWithComponents } from '../../src/config/load.ts';

function listenError(code: string, address: string, port: number): Error {
  const cause = Object.assign(new Error(`listen ${code}`), { code, syscall: 'listen', address, port });
  return new Error('Cannot start prometheus', { cause: new Error('Cannot listen', { cause }) });
}

describe('hintForStart', async () => {
  const sets = ['exporters.prometheus.endpoint=127.0.0.1:900', 'exporters.prometheus.insecure=true'];
  const loaded = await loadWithComponents({ files: [], sets, env: {}, catalog });

  test.each([
    ['EADDRINUSE', '127.0.0.1', 900, /^choose another with --set exporters\.prometheus\.endpoint=127\.0\.0\.1:8900/],
    ['EADDRINUSE', '::1', 5000, /^choose another port/],
    ['EACCES', '127.0.0.1', 900, /CAP_NET_BIND_SERVICE.*--set exporters\.prometheus\.endpoint=127\.0\.0\.1:8900$/],
    ['EADDRNOTAVAIL', '10.9.8.7', 900, /has the address 10\.9\.8\.7; change exporters\.prometheus\.endpoint$/],
  ])('says what to do about %s on %s:%i', (code, address, port, hint) => {
    expect(hintForStart(listenError(code, address, port), loaded)).toMatch(hint);
  });

  test('has nothing to say about what it does not know', () => {
    expect(hintForStart(listenError('EMFILE', '127.0.0.1', 900), loaded)).toBeUndefined();
    expect(hintForStart(new Error('Cannot start'), loaded)).toBeUndefined();
  });
});
