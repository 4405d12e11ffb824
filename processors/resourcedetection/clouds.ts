/** Detectors that ask a cloud's metadata service which machine this is. */
import type { Attributes } from '../../src/model/attributes.ts';
import { MetadataError, type MetadataClient } from './metadata_client.ts';

export type CloudName = 'ec2' | 'gcp' | 'azure' | 'digitalocean' | 'hetzner';

export const CLOUD_DETECTORS: Readonly<Record<CloudName, (client: MetadataClient) => Promise<Attributes>>> = {
  ec2: detectEc2,
  gcp: detectGcp,
  azure: detectAzure,
  digitalocean: detectDigitalOcean,
  hetzner: detectHetzner,
};

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html */
async function detectEc2(client: MetadataClient): Promise<Attributes> {
  const token = await askEc2Token(client);
  const headers = token === undefined ? {} : { 'X-aws-ec2-metadata-token': token };
  const [document, hostname] = await Promise.all([
    client.ask('/latest/dynamic/instance-identity/document', { headers }),
    askText(client, '/latest/meta-data/hostname', headers),
  ]);
  const identity = parseDocument(document.body);
  return present({
    'cloud.provider': 'aws',
    'cloud.platform': 'aws_ec2',
    'cloud.account.id': identity['accountId'],
    'cloud.region': identity['region'],
    'cloud.availability_zone': identity['availabilityZone'],
    'host.id': identity['instanceId'],
    'host.type': identity['instanceType'],
    'host.image.id': identity['imageId'],
    'host.name': hostname,
  });
}

/** Version 2 of the service wants a token; where only version 1 is there it knows no such path. */
async function askEc2Token(client: MetadataClient): Promise<string | undefined> {
  try {
    const headers = { 'X-aws-ec2-metadata-token-ttl-seconds': '60', 'Content-Length': '0' };
    return (await client.ask('/latest/api/token', { method: 'PUT', headers })).body.trim();
  } catch (error) {
    if (error instanceof MetadataError && [403, 404, 405].includes(error.status)) return undefined;
    throw error;
  }
}

/** https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys */
async function detectGcp(client: MetadataClient): Promise<Attributes> {
  const headers = { 'Metadata-Flavor': 'Google' };
  const root = '/computeMetadata/v1';
  // Each on its own and as text: in one JSON document the id is a number too large for JSON.parse.
  const id = await client.ask(`${root}/instance/id`, { headers });
  if (id.headers['metadata-flavor'] !== 'Google') throw new Error('Cannot use the answer: it is not from Google Cloud');
  const [project, name, zonePath, typePath, cluster] = await Promise.all(
    [
      'project/project-id',
      'instance/name',
      'instance/zone',
      'instance/machine-type',
      'instance/attributes/cluster-name',
    ].map((key) => askText(client, `${root}/${key}`, headers)),
  );
  // As projects/123456/zones/europe-west1-b.
  const zone = lastPart(zonePath);
  return present({
    'cloud.provider': 'gcp',
    'cloud.platform': cluster === undefined ? 'gcp_compute_engine' : 'gcp_kubernetes_engine',
    'cloud.account.id': project,
    'cloud.availability_zone': zone,
    'cloud.region': zone?.replace(/-[^-]*$/, ''),
    'host.id': id.body.trim(),
    'host.name': name,
    'host.type': lastPart(typePath),
    'k8s.cluster.name': cluster,
  });
}

/** https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service */
async function detectAzure(client: MetadataClient): Promise<Attributes> {
  const path = '/metadata/instance/compute?api-version=2021-02-01&format=json';
  const { body } = await client.ask(path, { headers: { Metadata: 'true' } });
  const compute = parseDocument(body);
  return present({
    'cloud.provider': 'azure',
    'cloud.platform': 'azure.vm',
    'cloud.account.id': compute['subscriptionId'],
    'cloud.region': compute['location'],
    'cloud.availability_zone': compute['zone'],
    'cloud.resource_id': compute['resourceId'],
    'host.id': compute['vmId'],
    'host.name': compute['name'],
    'host.type': compute['vmSize'],
    'azure.vm.name': compute['name'],
    'azure.vm.size': compute['vmSize'],
    'azure.vm.scaleset.name': compute['vmScaleSetName'],
    'azure.resourcegroup.name': compute['resourceGroupName'],
  });
}

/** https://docs.digitalocean.com/reference/api/metadata-api/ */
async function detectDigitalOcean(client: MetadataClient): Promise<Attributes> {
  const [id, hostname, region] = await Promise.all([
    client.ask('/metadata/v1/id'),
    askText(client, '/metadata/v1/hostname'),
    askText(client, '/metadata/v1/region'),
  ]);
  return present({
    'cloud.provider': 'digitalocean',
    'cloud.region': region,
    'host.id': id.body.trim(),
    'host.name': hostname,
  });
}

/** https://docs.hetzner.cloud/#server-metadata */
async function detectHetzner(client: MetadataClient): Promise<Attributes> {
  const root = '/hetzner/v1/metadata';
  const [id, hostname, region, zone] = await Promise.all([
    client.ask(`${root}/instance-id`),
    askText(client, `${root}/hostname`),
    askText(client, `${root}/region`),
    askText(client, `${root}/availability-zone`),
  ]);
  return present({
    'cloud.provider': 'hetzner',
    'cloud.platform': 'hetzner.cloud_server',
    'cloud.region': region,
    'cloud.availability_zone': zone,
    'host.id': id.body.trim(),
    'host.name': hostname,
  });
}

/** One line of text; undefined where the service does not know it. */
async function askText(client: MetadataClient, path: string, headers = {}): Promise<string | undefined> {
  try {
    return (await client.ask(path, { headers })).body.trim();
  } catch (error) {
    if (error instanceof MetadataError && error.status === 404) return undefined;
    throw error;
  }
}

function parseDocument(body: string): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(body);
    if (typeof document === 'object' && document !== null) return document as Record<string, unknown>;
  } catch {
    // The same as a document that is no object: what answers here is no such metadata service.
  }
  throw new SyntaxError(`Cannot parse the instance document: found ${JSON.stringify(body.slice(0, 60))}`);
}

function lastPart(path: string | undefined): string | undefined {
  return path?.slice(path.lastIndexOf('/') + 1);
}

/** Only what is a text that says something. */
function present(attributes: Readonly<Record<string, unknown>>): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== '',
    ),
  );
}
