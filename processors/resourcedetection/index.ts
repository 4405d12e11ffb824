/** Adds to resources what can be found out about where the agent runs. */
import * as v from 'valibot';
import { defineProcessor } from '../../src/component.ts';
import { duration, option } from '../../src/config/options.ts';
import type { AnyValue, Attributes } from '../../src/model/attributes.ts';
import type { Resource } from '../../src/model/batch.ts';
import { createReresource } from '../../src/model/reresource.ts';
import { SCHEMA_URL } from '../../src/model/semconv.ts';
import { compilePatterns } from '../../src/text/pattern.ts';
import { CLOUD_DETECTORS, type CloudName } from './clouds.ts';
import { LOCAL_DETECTORS, type LocalName } from './local.ts';
import { createMetadataClient } from './metadata_client.ts';

type DetectorName = LocalName | CloudName;

/** Where all clouds but none else answer (link-local, so it never leaves the machine's own network). */
const METADATA_ADDRESS = 'http://169.254.169.254';

function cloudOptions(cloud: string) {
  return option(
    v.strictObject({
      endpoint: option(
        v.pipe(v.string(), v.regex(/^https?:\/\/[^\s/?#]+$/, 'an address such as "http://169.254.169.254"')),
        'Address of the metadata service, without a path.',
        METADATA_ADDRESS,
      ),
    }),
    `The metadata service of ${cloud}.`,
    {},
  );
}

export default defineProcessor({
  type: 'resourcedetection',
  about:
    'Adds to the resources of metrics and log records what is found out, once at the start, about the machine, the ' +
    'container and the cloud that the agent runs in. Cloud providers are asked only where they are named.',
  signals: ['metrics', 'logs'],
  config: v.strictObject({
    detectors: option(
      v.array(
        v.picklist(['env', 'system', 'host', 'os', 'container', 'ec2', 'gcp', 'azure', 'digitalocean', 'hetzner']),
      ),
      'What is asked: env is OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME, system is host and os. Where two know an attribute, the first in the list wins.',
      [],
    ),
    timeout: option(duration(), 'A detector that takes longer is given up.', '2s'),
    override: option(
      v.boolean(),
      'Whether what is detected replaces attributes that a resource has already; if not, it only adds.',
      true,
    ),
    attributes: option(
      v.array(v.string()),
      'Which of the detected attributes are added, by name or glob, as host.*; all if left out.',
      [],
    ),
    ec2: cloudOptions('Amazon EC2'),
    gcp: cloudOptions('Google Cloud'),
    azure: cloudOptions('Microsoft Azure'),
    digitalocean: cloudOptions('DigitalOcean'),
    hetzner: cloudOptions('Hetzner Cloud'),
  }),
  create({ config, next, host, log, drop }) {
    const isWanted = config.attributes.length === 0 ? () => true : compilePatterns('glob', config.attributes);
    let detected: Attributes = {};

    async function detect(name: DetectorName): Promise<Attributes> {
      try {
        if (isLocal(name)) return await LOCAL_DETECTORS[name](host);
        const client = createMetadataClient(config[name].endpoint, config.timeout);
        return await CLOUD_DETECTORS[name](client);
      } catch (error) {
        log.warn(`Cannot detect "${name}": ${(error as Error).message}`);
        return {};
      }
    }

    const reresource = createReresource({
      drop,
      change(resource) {
        const attributes = merge(resource.attributes, detected, config.override);
        return attributes === resource.attributes ? resource : described(resource, attributes);
      },
    });

    return {
      async start() {
        const found = await Promise.all([...new Set(config.detectors)].map(detect));
        // The first one that knows an attribute wins, so it is written last.
        const entries = found.reverse().flatMap((attributes) => Object.entries(attributes));
        detected = Object.fromEntries(entries.filter(([key]) => isWanted(key)));
      },
      consume(batch) {
        // With nothing to add, a batch that came encoded is not even decoded.
        const hasNothing = Object.keys(detected).length === 0;
        return next.consume(hasNothing ? batch : reresource(batch));
      },
    };
  },
});

function isLocal(name: DetectorName): name is LocalName {
  return Object.hasOwn(LOCAL_DETECTORS, name);
}

function merge(attributes: Attributes, detected: Attributes, override: boolean): Attributes {
  const added = Object.entries(detected).filter(([key, value]) => {
    if (!Object.hasOwn(attributes, key)) return true;
    return override && attributes[key] !== value;
  });
  if (added.length === 0) return attributes;
  return Object.fromEntries<AnyValue>([...Object.entries(attributes), ...added]);
}

/** A resource that follows no conventions yet follows ours from now on. */
function described(resource: Resource, attributes: Attributes): Resource {
  return { ...resource, attributes, schemaUrl: resource.schemaUrl === '' ? SCHEMA_URL : resource.schemaUrl };
}
