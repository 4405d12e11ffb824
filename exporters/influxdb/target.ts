/** Where lines are posted, and who says so: the write APIs of InfluxDB 1, 2 and 3. */
import type { AuthConfig } from '../../src/component.ts';
import type { Secret } from '../../src/config/options.ts';
import { ConfigError } from '../../src/errors.ts';
import type { Signal } from '../../src/model/batch.ts';
import type { Precision } from './times.ts';

export type Api = 'v1' | 'v2' | 'v3';

export interface TargetConfig {
  readonly endpoint: string;
  readonly api: Api;
  readonly database?: string | undefined;
  readonly retention_policy?: string | undefined;
  readonly consistency?: string | undefined;
  readonly org?: string | undefined;
  readonly bucket?: string | undefined;
  readonly accept_partial?: boolean | undefined;
  readonly token?: Secret | undefined;
  readonly auth?: AuthConfig | undefined;
  readonly precision: Precision;
}

interface ApiRules {
  readonly path: string;
  readonly required: readonly Option[];
  readonly allowed: readonly Option[];
  readonly parameters: Readonly<Partial<Record<Option, string>>>;
  readonly precisions: Readonly<Record<Precision, string>>;
}

type Option = 'database' | 'retention_policy' | 'consistency' | 'org' | 'bucket' | 'accept_partial' | 'token';
const OPTIONS: readonly Option[] = [
  'database',
  'retention_policy',
  'consistency',
  'org',
  'bucket',
  'accept_partial',
  'token',
];

const APIS: Readonly<Record<Api, ApiRules>> = {
  v1: {
    path: '/write',
    required: ['database'],
    allowed: ['database', 'retention_policy', 'consistency'],
    parameters: { database: 'db', retention_policy: 'rp', consistency: 'consistency' },
    precisions: { ns: 'ns', us: 'u', ms: 'ms', s: 's' },
  },
  v2: {
    path: '/api/v2/write',
    required: ['bucket'],
    allowed: ['org', 'bucket', 'token'],
    parameters: { org: 'org', bucket: 'bucket' },
    precisions: { ns: 'ns', us: 'us', ms: 'ms', s: 's' },
  },
  v3: {
    path: '/api/v3/write_lp',
    required: ['database'],
    allowed: ['database', 'accept_partial', 'token'],
    parameters: { database: 'db', accept_partial: 'accept_partial' },
    precisions: { ns: 'nanosecond', us: 'microsecond', ms: 'millisecond', s: 'second' },
  },
};

/**
 * The URL for each signal: logs always go with nanoseconds.
 * @throws {ConfigError} the endpoint is no URL, or an option is missing or not one of this API
 */
export function writeUrls(id: string, config: TargetConfig): Readonly<Record<Exclude<Signal, 'traces'>, string>> {
  const { api, endpoint, precision } = config;
  const rules = APIS[api];
  for (const option of OPTIONS) {
    if (config[option] === undefined || rules.allowed.includes(option)) continue;
    const others = Object.entries(APIS).filter(([, { allowed }]) => allowed.includes(option));
    const hint = `Leave it out, or write api: ${others.map(([name]) => name).join(' or ')}`;
    throw invalid(id, option, `Cannot use ${option}: the API ${api} has no such thing`, hint);
  }
  for (const option of rules.required) {
    const message = `Cannot write to the API ${api}: ${option} is missing`;
    if (config[option] === undefined || config[option] === '') throw invalid(id, option, message);
  }
  const base = URL.parse(endpoint);
  if (base === null || (base.protocol !== 'http:' && base.protocol !== 'https:')) {
    throw invalid(id, 'endpoint', `Cannot use ${JSON.stringify(endpoint)}: not an http:// or https:// URL`);
  }
  if (base.username !== '' || base.password !== '' || base.search !== '') {
    const message = 'Cannot use the endpoint: it holds a user, a password or parameters';
    throw invalid(
      id,
      'endpoint',
      message,
      'Write auth: { basic: { username: …, password: … } }, and parameters as options',
    );
  }
  const urlWith = (unit: Precision): string => {
    const url = new URL(base);
    url.pathname = `${url.pathname.replace(/\/+$/, '')}${rules.path}`;
    for (const [option, parameter] of Object.entries(rules.parameters)) {
      const value = config[option as Option];
      if (value !== undefined) url.searchParams.set(parameter, String(value));
    }
    url.searchParams.set('precision', rules.precisions[unit]);
    return url.href;
  };
  return { metrics: urlWith(precision), logs: urlWith('ns') };
}

/**
 * How the token is shown: `Token …` to version 2, `Bearer …` to version 3.
 * @throws {ConfigError} there is another way to say who sends as well
 */
export function authOf(id: string, { api, token, auth }: TargetConfig): AuthConfig | undefined {
  if (token === undefined) return auth;
  if (auth !== undefined) throw invalid(id, 'token', 'Cannot use both token and auth: a request has one Authorization');
  if (api === 'v3') return { bearer: { token } };
  return { header: { name: 'Authorization', value: token, prefix: 'Token ' } };
}

function invalid(id: string, option: string, message: string, hint?: string): ConfigError {
  return new ConfigError([{ message, path: `exporters.${id}.${option}`, hint }]);
}
