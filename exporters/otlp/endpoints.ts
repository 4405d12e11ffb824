/** Which address each signal goes to (OTLP exporter specification, "Endpoint URLs for OTLP/HTTP"). */
import { ConfigError } from '../../src/errors.ts';
import type { Signal } from '../../src/model/batch.ts';

interface Endpoints {
  readonly endpoint?: string | undefined;
  readonly metrics_endpoint?: string | undefined;
  readonly logs_endpoint?: string | undefined;
  readonly traces_endpoint?: string | undefined;
}

/** @throws {ConfigError} an endpoint is no URL */
export function httpUrls(id: string, config: Endpoints): Readonly<Record<Signal, string>> {
  const base = new URL(checkUrl(id, 'endpoint', config.endpoint ?? 'http://127.0.0.1:4318'));
  const urlOf = (signal: Signal): string => {
    const own = config[`${signal}_endpoint`];
    if (own !== undefined) return checkUrl(id, `${signal}_endpoint`, own);
    const url = new URL(base);
    url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/${signal}`;
    return url.href;
  };
  return { metrics: urlOf('metrics'), logs: urlOf('logs'), traces: urlOf('traces') };
}

function checkUrl(id: string, option: string, text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw invalid(id, option, `Cannot use ${JSON.stringify(text)}: not an http:// or https:// URL`);
  }
  return url.href;
}

export interface GrpcTarget {
  /** As gRPC names it: `host:port`, `unix:/path`, `dns:host:port`. */
  readonly address: string;
  readonly isSecure: boolean;
}

type GrpcConfig = Endpoints & {
  readonly compression: string;
  readonly insecure: boolean;
  readonly proxy?: string | undefined;
};

/** @throws {ConfigError} an endpoint is no gRPC target, or an option has no meaning in gRPC */
export function grpcTargets(id: string, config: GrpcConfig): Readonly<Record<Signal, GrpcTarget>> {
  if (config.compression === 'zstd') {
    throw invalid(
      id,
      'compression',
      'Cannot compress with zstd: gRPC has only gzip',
      'Write gzip, or protocol: http/protobuf',
    );
  }
  if (config.proxy !== undefined) {
    throw invalid(
      id,
      'proxy',
      'Cannot use a proxy: gRPC takes the one of the environment only',
      'Leave it out and set grpc_proxy or https_proxy, or write protocol: http/protobuf',
    );
  }
  const targetOf = (signal: Signal): GrpcTarget => {
    const own = config[`${signal}_endpoint`];
    if (own !== undefined) return parseTarget(id, `${signal}_endpoint`, own, config.insecure);
    return parseTarget(id, 'endpoint', config.endpoint ?? 'http://127.0.0.1:4317', config.insecure);
  };
  return { metrics: targetOf('metrics'), logs: targetOf('logs'), traces: targetOf('traces') };
}

function parseTarget(id: string, option: string, text: string, isInsecure: boolean): GrpcTarget {
  if (!/^https?:/i.test(text)) {
    if (!/^(unix:|dns:)?[^\s?#]+$/.test(text)) {
      throw invalid(id, option, `Cannot use ${JSON.stringify(text)}: not host:port, unix:/path or a URL`);
    }
    return { address: text, isSecure: !isInsecure };
  }
  const url = URL.parse(text);
  if (url === null || url.pathname !== '/' || url.search !== '' || url.username !== '') {
    throw invalid(id, option, `Cannot use ${JSON.stringify(text)}: a gRPC endpoint is only scheme, host and port`);
  }
  const isSecure = url.protocol === 'https:';
  return { address: `${url.hostname}:${url.port || (isSecure ? 443 : 80)}`, isSecure };
}

function invalid(id: string, option: string, message: string, hint?: string): ConfigError {
  return new ConfigError([{ message, path: `exporters.${id}.${option}`, hint }]);
}
