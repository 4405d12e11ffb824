/** Writes metrics to Graphite: to carbon, or to whatever listens as it does. */
import * as v from 'valibot';
import { createClientCertificates } from '../src/client_certificates.ts';
import { definePushExporter } from '../src/component.ts';
import { hostPort, option, optional, size, tlsClient } from '../src/config/options.ts';
import { ConfigError, messageOf } from '../src/errors.ts';
import { createEncoder } from './graphite/encode.ts';
import { createPickle, createPlaintext } from './graphite/formats.ts';
import { createTaggedPaths, createTemplatePaths, type PathsOf } from './graphite/paths.ts';
import { createTcpKept, createTcpPerRequest } from './graphite/tcp.ts';
import { parseTemplate } from './graphite/template.ts';
import type { Transport } from './graphite/transport.ts';
import { createUdp } from './graphite/udp.ts';

/** What tells instances of a service, processes and containers apart. */
const IDENTITY = [
  'service.namespace',
  'service.name',
  'service.instance.id',
  'host.name',
  'process.pid',
  'container.id',
  'k8s.namespace.name',
  'k8s.pod.name',
  'k8s.container.name',
];
/** Carbon ends the connection of whoever sends a longer line (Twisted's `LineOnlyReceiver.MAX_LENGTH`). */
const MAX_LINE_BYTES = 16_384;
/** Payload of an Ethernet frame through a tunnel or two; carbon-c-relay and statsd use it as well. */
const DATAGRAM_BYTES = 1432;

const entries = {
  endpoint: optional(hostPort(), 'Where to; 127.0.0.1:2003, and 127.0.0.1:2004 for pickle, if left out.'),
  protocol: option(
    v.picklist(['plaintext', 'pickle']),
    'Lines of text, or pickled lists, which carbon reads with less work.',
    'plaintext',
  ),
  transport: option(
    v.picklist(['tcp', 'udp']),
    'TCP, or UDP, of which nobody knows whether it arrives; pickle has TCP only.',
    'tcp',
  ),
  connection: optional(
    v.picklist(['per_request', 'kept']),
    'With TCP: one for each request, which the server’s own close confirms, or one that stays; per_request if left out.',
  ),
  tls: optional(
    tlsClient(),
    'TLS over TCP; without it the connection is plain. The files are read again when they change.',
  ),
  format: option(
    v.picklist(['tags', 'template']),
    'How a series is named: name;tag=value, or a path by the template.',
    'tags',
  ),
  template: optional(
    v.string(),
    'For format: template, a path such as "{host.name}.{metric}.{cpu}.{state}". {cpu|all} says what to write where there is no cpu; else its node is left out. {attributes} is the values of all that the template does not name.',
  ),
  resource_attributes: optional(
    v.array(v.string()),
    'For format: tags, the attributes of the resource that become tags; what identifies service, host, process, container and pod if left out.',
  ),
  prefix: option(
    v.pipe(
      v.string(),
      v.regex(/^([\p{L}\p{N}_:-]+(\.[\p{L}\p{N}_:-]+)*\.?)?$/u, 'a dotted path such as "servers.web"'),
    ),
    'Put before every path.',
    '',
  ),
  max_request_bytes: option(size(), 'Most bytes at once. Carbon takes 1 MiB in a pickled message.', '1MiB'),
  max_datagram_bytes: optional(
    v.pipe(v.number(), v.integer(), v.minValue(64), v.maxValue(65_507)),
    'With UDP: most bytes of lines in a datagram; 1432 if left out.',
  ),
};

export default definePushExporter({
  type: 'graphite',
  about: 'Writes metrics to Graphite’s carbon, as text or pickled, over TCP, TLS or UDP.',
  signals: ['metrics'],
  config: v.strictObject(entries),
  create({ id, config, log, drop }) {
    checkOptions(id, config);
    const { max_request_bytes, max_datagram_bytes = DATAGRAM_BYTES } = config;
    const isUdp = config.transport === 'udp';
    const transport = createTransport(config, max_datagram_bytes);
    const encode = createEncoder({
      format: config.protocol === 'pickle' ? createPickle() : createPlaintext(),
      pathsOf: createPaths(id, config),
      max_bytes: max_request_bytes,
      max_line_bytes: isUdp ? max_datagram_bytes : MAX_LINE_BYTES,
      drop,
      onSamePath: (path) =>
        log.once('same path', 'Several series have the same path, and replace each other in Graphite', { path }),
    });
    return {
      encode: (batch) => (batch.signal === 'metrics' ? encode(batch) : []),
      send: ({ body }, _, abort) => transport.send(body, abort),
      stop: () => transport.stop(),
    };
  },
});

type Config = v.InferOutput<v.StrictObjectSchema<typeof entries, undefined>>;

function createTransport(
  { endpoint, protocol, transport, connection, tls }: Config,
  max_datagram_bytes: number,
): Transport {
  const [, host, port] = /^(.*):(\d+)$/.exec(endpoint ?? `127.0.0.1:${protocol === 'pickle' ? 2004 : 2003}`)!;
  const address = { host: host!.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
  if (transport === 'udp') return createUdp({ ...address, max_datagram_bytes });
  const options = { ...address, tls: tls && createClientCertificates(tls) };
  return connection === 'kept' ? createTcpKept(options) : createTcpPerRequest(options);
}

/** @throws {ConfigError} the template is none */
function createPaths(id: string, { format, template, resource_attributes, prefix }: Config): PathsOf {
  const head = prefix.replace(/\.$/, '');
  if (format === 'tags') return createTaggedPaths(head, resource_attributes ?? IDENTITY);
  try {
    return createTemplatePaths(head, parseTemplate(template!));
  } catch (error) {
    const message = `Cannot use the template ${JSON.stringify(template)}: ${messageOf(error)}`;
    throw invalid(id, 'template', message, 'Write one such as "{host.name}.{metric}.{attributes}"');
  }
}

/** @throws {ConfigError} options contradict each other */
function checkOptions(id: string, config: Config): void {
  const { protocol, transport, format } = config;
  const refuse = (name: keyof Config, isMeaningful: boolean, why: string): void => {
    if (config[name] !== undefined && !isMeaningful) throw invalid(id, name, `Cannot use ${name}: ${why}`);
  };
  if (protocol === 'pickle' && transport === 'udp') {
    const message = 'Cannot send pickle over UDP: its messages are for TCP';
    throw invalid(id, 'transport', message, 'Write transport: tcp, or protocol: plaintext');
  }
  refuse('tls', transport === 'tcp', 'UDP has none');
  refuse('connection', transport === 'tcp', 'UDP has none');
  refuse('max_datagram_bytes', transport === 'udp', 'TCP has no datagrams');
  refuse('template', format === 'template', 'the format is tags');
  refuse('resource_attributes', format === 'tags', 'a template names the attributes that it takes');
  if (format === 'template' && config.template === undefined) {
    const message = 'Cannot make paths by a template: there is none';
    throw invalid(id, 'template', message, 'Write one such as "{host.name}.{metric}.{attributes}"');
  }
}

function invalid(id: string, name: string, message: string, hint?: string): ConfigError {
  return new ConfigError([{ message, path: `exporters.${id}.${name}`, hint }]);
}
