/** Everything that a receiver of syslog messages listens on. */
import { chmodSync, unlinkSync } from 'node:fs';
import type { ComponentLog } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import { listenForUdp, type UdpListener } from './datagrams.ts';
import type { CanaryTarget } from './canaries.ts';
import type { Intake } from './intake.ts';
import { checkExposure, splitEndpoint, type SyslogConfig } from './options.ts';
import { listenForStreams, type StreamListener } from './streams.ts';
import { isSocket, listenForUnixDatagrams } from './unix_datagrams.ts';

export interface Listeners {
  readonly connections: number;
  /** Where canaries can be sent; undefined where all listeners want TLS. */
  readonly target: CanaryTarget | undefined;
  kernelDrops(): number | undefined;
  close(): Promise<void>;
}

/** Of processes of this machine, which end their connections when they end. */
const UNIX_IDLE_TIMEOUT_MS = 2 ** 31 - 1;
const MOST_UNIX_CONNECTIONS = 1000;

/** @throws {Error} it cannot listen somewhere; then it listens nowhere */
export async function openListeners(config: SyslogConfig, intake: Intake, log: ComponentLog): Promise<Listeners> {
  const { max_message_bytes: maxMessage_bytes } = config;
  const streams: StreamListener[] = [];
  const closing: (() => void | Promise<void>)[] = [];
  let udp: UdpListener | undefined;
  let target: CanaryTarget | undefined;

  async function openUdp({ endpoint, insecure, receive_buffer }: NonNullable<SyslogConfig['udp']>): Promise<void> {
    checkExposure(endpoint, false, insecure, 'write insecure: true to accept that, or use tcp with tls');
    const where = splitEndpoint(endpoint);
    udp = await at(
      endpoint,
      listenForUdp({ ...where, maxMessage_bytes, receiveBuffer_bytes: receive_buffer, intake, log }),
    );
    closing.push(udp.close);
    target = { over: 'udp', host: where.host, port: udp.port };
    log.info(`Listens for syslog over UDP on ${named(endpoint, udp.port)}`);
  }

  async function openTcp(options: NonNullable<SyslogConfig['tcp']>): Promise<void> {
    const { endpoint, tls, insecure, max_connections, idle_timeout } = options;
    checkExposure(endpoint, tls !== undefined, insecure, 'set tls, or write insecure: true to accept that');
    const limits = { maxConnections: max_connections, idleTimeout_ms: idle_timeout, maxMessage_bytes };
    const where = splitEndpoint(endpoint);
    const stream = await at(endpoint, listenForStreams({ at: where, tls, ...limits, intake, log }));
    streams.push(stream);
    closing.push(stream.close);
    if (tls === undefined) target ??= { over: 'stream', stream, to: { host: where.host, port: stream.port } };
    log.info(`Listens for syslog over ${tls === undefined ? 'TCP' : 'TLS'} on ${named(endpoint, stream.port)}`);
  }

  async function openUnixStream({ path, mode }: NonNullable<SyslogConfig['unix_stream']>): Promise<void> {
    await removeDead(path);
    const limits = { maxConnections: MOST_UNIX_CONNECTIONS, idleTimeout_ms: UNIX_IDLE_TIMEOUT_MS, maxMessage_bytes };
    const stream = await at(path, listenForStreams({ at: { path }, ...limits, intake, log }));
    streams.push(stream);
    closing.push(stream.close);
    chmodSync(path, Number.parseInt(mode, 8));
    target ??= { over: 'stream', stream, to: { path } };
    log.info(`Listens for syslog on the stream socket ${path}`);
  }

  async function close(): Promise<void> {
    await Promise.all(closing.splice(0).map((end) => end()));
  }

  try {
    if (config.udp !== undefined) await openUdp(config.udp);
    if (config.unix_datagram !== undefined) {
      const { path, mode } = config.unix_datagram;
      closing.push(listenForUnixDatagrams({ path, mode: Number.parseInt(mode, 8), maxMessage_bytes, intake }));
      target ??= { over: 'unix_datagram', path };
      log.info(`Listens for syslog on the datagram socket ${path}`);
    }
    if (config.unix_stream !== undefined) await openUnixStream(config.unix_stream);
    // Behind the others: its allowed_sources may leave this machine out.
    if (config.tcp !== undefined) await openTcp(config.tcp);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    get connections() {
      return streams.reduce((sum, stream) => sum + stream.connections, 0);
    },
    target,
    kernelDrops: () => udp?.kernelDrops(),
    close,
  };
}

async function at<T>(where: string, listening: Promise<T>): Promise<T> {
  try {
    return await listening;
  } catch (error) {
    throw new Error(`Cannot listen on ${where}: ${messageOf(error)}`, { cause: error });
  }
}

const named = (endpoint: string, port: number): string => endpoint.replace(/\d+$/, String(port));

/** A socket that a killed process left behind answers no one. */
async function removeDead(path: string): Promise<void> {
  if (!isSocket(path)) return;
  const { connect } = process.getBuiltinModule('node:net');
  const isDead = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
  if (isDead) unlinkSync(path);
}
