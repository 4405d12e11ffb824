/**
 * Sends logs to Loki: by its own push protocol, where the agent decides what is a label, or by OTLP, where Loki does.
 */
import * as v from 'valibot';
import { definePushExporter } from '../src/component.ts';
import { httpClient, httpClientOptions } from '../src/config/http_client.ts';
import { option, optional, size } from '../src/config/options.ts';
import { ConfigError } from '../src/errors.ts';
import { GOMON, labelsSchema, limitsSchema } from './loki/options.ts';
import { createOtlp } from './loki/otlp.ts';
import { createPushProtocol } from './loki/push.ts';

/** `snappy` is part of the push protocol: its protobuf has never another compression. */
const COMPRESSIONS = { otlp: ['gzip', 'none'], json: ['gzip', 'none'], push: ['snappy'] } as const;

const PATHS = { push: '/loki/api/v1/push', otlp: '/otlp/v1/logs' } as const;

/** Options that say how the agent makes labels and lines. */
const PUSH_OPTIONS = ['preset', 'labels', 'limits', 'line', 'long_lines'] as const;

/** What a preset decides. */
const PRESET_OPTIONS = ['labels', 'line'] as const;

export default definePushExporter({
  type: 'loki',
  about: 'Sends logs to Loki, with labels and structured metadata of the agent’s choice, or by its OTLP endpoint.',
  signals: ['logs'],
  config: v.strictObject({
    endpoint: option(
      v.pipe(v.string(), v.minLength(1, 'a URL')),
      'Where Loki is; /loki/api/v1/push or /otlp/v1/logs is appended unless it is there already.',
      'http://127.0.0.1:3100',
    ),
    protocol: option(
      v.picklist(['push', 'otlp']),
      'Loki’s own push protocol, which every version takes and where the agent makes the labels; or OTLP (Loki 3), where Loki makes them.',
      'push',
    ),
    encoding: option(v.picklist(['protobuf', 'json']), 'How it travels: protobuf costs least.', 'protobuf'),
    compression: optional(
      v.picklist(['snappy', 'gzip', 'none']),
      'Of push with protobuf always snappy; else gzip if left out, or none.',
    ),
    tenant: optional(
      v.pipe(v.string(), v.minLength(1, 'the name of a tenant')),
      'Whose logs they are, where Loki keeps several apart (X-Scope-OrgID).',
    ),
    ...httpClientOptions,
    labels: optional(labelsSchema, 'What tells streams apart; everything else becomes structured metadata. Only push.'),
    preset: optional(
      v.picklist([GOMON]),
      'gomon: exactly the labels host, platform, source and event, and attributes in the line, as Gomon sends them; in place of labels and line. Only push.',
    ),
    line: optional(
      v.picklist(['body', 'json', 'logfmt']),
      'What a line is: body if left out; json is the whole record and logfmt the body with the attributes behind it, for a Loki without structured metadata. Only push.',
    ),
    long_lines: optional(
      v.picklist(['truncate', 'drop']),
      'What happens to lines over limits.line_bytes: truncate if left out, with truncated_bytes said on them. Only push.',
    ),
    limits: optional(limitsSchema, 'Limits of the server: raise them only where Loki’s limits_config does. Only push.'),
    max_request_bytes: option(size(), 'Larger requests are split, before compression.', '1MiB'),
  }),
  create({ id, config, log, http, drop }) {
    const { protocol, encoding, tenant, max_request_bytes } = config;
    const fail = (option: string, message: string, hint?: string): never => {
      throw new ConfigError([{ message, path: `exporters.${id}.${option}`, hint }]);
    };
    const compressions = COMPRESSIONS[protocol === 'push' && encoding === 'json' ? 'json' : protocol];
    const compression = compressions.find((each) => each === (config.compression ?? compressions[0]));
    if (compression === undefined) {
      const what = `${protocol} with ${encoding}`;
      fail('compression', `Cannot compress with ${config.compression}: ${what} has only ${compressions.join(' and ')}`);
    }
    const url = endpointUrl(config.endpoint, PATHS[protocol]);
    if (url === undefined) {
      fail('endpoint', `Cannot use ${JSON.stringify(config.endpoint)}: not an http:// or https:// URL`);
    }
    const sender = http({
      compression: compression!,
      ...httpClient(config, tenant === undefined ? {} : { 'x-scope-orgid': tenant }),
      retriesServerErrors: true,
    });
    const shared = {
      post: (body: Uint8Array, contentType: string, abort: AbortSignal) => sender.post(url!, body, contentType, abort),
      isJson: encoding === 'json',
      max_request_bytes,
      drop,
    };
    if (protocol === 'otlp') {
      const useless = PUSH_OPTIONS.find((name) => config[name] !== undefined);
      if (useless !== undefined) {
        fail(
          useless,
          `Cannot use ${useless} with protocol otlp: Loki decides it itself`,
          'See otlp_config and limits_config of Loki',
        );
      }
      return { ...createOtlp(shared), stop: () => sender.close() };
    }
    const overruled = config.preset && PRESET_OPTIONS.find((name) => config[name] !== undefined);
    if (overruled !== undefined) {
      fail(overruled, `Cannot use ${overruled} with a preset, which decides it`, 'Leave out one of the two');
    }
    const labels = config.labels ?? v.parse(labelsSchema, {});
    const limits = config.limits ?? v.parse(limitsSchema, {});
    const fixed = Object.keys(labels.fixed).length;
    if (fixed > limits.labels) {
      fail('labels.fixed', `Cannot give ${fixed} labels to every line: limits.labels is ${limits.labels}`);
    }
    const { preset, line = preset === undefined ? 'body' : 'logfmt', long_lines = 'truncate' } = config;
    return {
      ...createPushProtocol({ ...shared, labels: preset ?? labels, limits, line, long_lines, log }),
      stop: () => sender.close(),
    };
  },
});

/** The URL to post to; undefined where the endpoint is none. */
function endpointUrl(endpoint: string, path: string): string | undefined {
  const url = URL.parse(endpoint);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  const base = url.pathname.replace(/\/+$/, '');
  url.pathname = base.endsWith(path) ? base : `${base}${path}`;
  return url.href;
}
