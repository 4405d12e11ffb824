/** A real Alertmanager; its web hooks may go to a loopback address. */
import { join } from 'node:path';
import { freePort } from '../support/free_port.ts';
import { program, startServer, type Server } from './servers.ts';

export interface AlertmanagerAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly fingerprint: string;
  readonly generatorURL: string;
  readonly status: { readonly state: string; readonly silencedBy: readonly string[] };
}

export interface Alertmanager extends Server {
  /** Those that fire. */
  alerts(): Promise<readonly AlertmanagerAlert[]>;
}

export async function startAlertmanager(webhook: string): Promise<Alertmanager> {
  const command = await program('alertmanager');
  const address = `127.0.0.1:${await freePort()}`;
  const config = `
route: { receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h }
receivers: [{ name: hook, webhook_configs: [{ url: '${webhook}', send_resolved: true }] }]
`;
  const start = [
    // Its templates are looked for in the system's folder alone, which gets them for this process.
    'mount -t overlay sonde-test -o lowerdir="$0":/usr/share /usr/share && exec "$@"',
    join(command, '../../share'),
    command,
    '--config.file=alertmanager.yml',
    '--storage.path=data',
    `--web.listen-address=${address}`,
    '--cluster.listen-address=',
  ];
  const user = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const server = await startServer({
    command: 'unshare',
    args: () => ['--mount', ...user, 'sh', '-c', ...start],
    files: { 'alertmanager.yml': config },
    url: `http://${address}`,
    ready: `http://${address}/-/ready`,
  });
  return {
    ...server,
    alerts: async () => (await (await fetch(`http://${address}/api/v2/alerts`)).json()) as AlertmanagerAlert[],
  };
}
