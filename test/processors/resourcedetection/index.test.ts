import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test, vi } from 'vitest';
import resourcedetection from '../../../processors/resourcedetection/index.ts';
import type { Attributes } from '../../../src/model/attributes.ts';
import { createHost } from '../../../src/procfs/host.ts';
import { logBatch, logRecord, metricBatch, runProcessor, series, type ProcessorRun } from '../../support/processor.ts';

type Answer = string | { status: number } | typeof SILENCE | { body: string; headers: Record<string, string> };
const SILENCE = Symbol('no answer');
const servers: Server[] = [];

/** A metadata service; answers 404 to what it does not know. */
async function serve(answer: (request: IncomingMessage) => Answer | undefined): Promise<string> {
  const server = createServer((request, response) => {
    const found = answer(request) ?? { status: 404 };
    if (found === SILENCE) return;
    if (typeof found === 'string') response.end(found);
    else if ('status' in found) response.writeHead(found.status).end();
    else response.writeHead(200, found.headers).end(found.body);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

const HOST = createHost({
  rootPath: fileURLToPath(new URL('../../fixtures/resource/debian', import.meta.url)),
  platform: 'linux',
});

async function detect(config: Record<string, unknown>, before: Attributes = {}): Promise<[Attributes, ProcessorRun]> {
  const run = runProcessor(resourcedetection, { timeout: '20s', ...config }, HOST);
  await run.processor.start?.();
  await run.consume(metricBatch([series('m', {}, { resource: { attributes: before, schemaUrl: '' } })], [1]));
  return [run.metrics()[0]!.series[0]!.resource.attributes, run];
}

const IDENTITY = {
  accountId: '123456789012',
  architecture: 'x86_64',
  availabilityZone: 'eu-central-1b',
  imageId: 'ami-5fb8c835',
  instanceId: 'i-1234567890abcdef0',
  instanceType: 't2.micro',
  kernelId: null,
  region: 'eu-central-1',
};
const EC2 = {
  'cloud.provider': 'aws',
  'cloud.platform': 'aws_ec2',
  'cloud.account.id': '123456789012',
  'cloud.region': 'eu-central-1',
  'cloud.availability_zone': 'eu-central-1b',
  'host.id': 'i-1234567890abcdef0',
  'host.type': 't2.micro',
  'host.image.id': 'ami-5fb8c835',
  'host.name': 'ip-10-0-0-1.eu-central-1.compute.internal',
};

function ec2Service(request: IncomingMessage): Answer | undefined {
  if (request.url === '/latest/api/token') {
    const ttl = request.headers['x-aws-ec2-metadata-token-ttl-seconds'];
    return request.method === 'PUT' && Number(ttl) > 0 ? 'TOKEN' : { status: 400 };
  }
  if (request.headers['x-aws-ec2-metadata-token'] !== 'TOKEN') return { status: 401 };
  if (request.url === '/latest/dynamic/instance-identity/document') return JSON.stringify(IDENTITY);
  return request.url === '/latest/meta-data/hostname' ? EC2['host.name'] : undefined;
}

describe('resourcedetection', () => {
  test('asks nothing unless it is told to', async () => {
    const [attributes, run] = await detect({}, { a: 1 });
    expect(attributes).toEqual({ a: 1 });
    expect(run.said).toEqual([]);
  });

  test('tells the machine and its operating system', async () => {
    const [attributes] = await detect({ detectors: ['system'] });
    expect(attributes).toMatchObject({ 'host.name': 'web-1.example.com', 'os.version': '12' });
    const [host] = await detect({ detectors: ['host'] });
    expect(Object.keys(host).every((key) => key.startsWith('host.'))).toBe(true);
    const [os] = await detect({ detectors: ['os'] });
    expect(Object.keys(os).every((key) => key.startsWith('os.'))).toBe(true);
  });

  test('reads the environment', async () => {
    vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'team=a%2Cb, service.name=x ,empty=');
    vi.stubEnv('OTEL_SERVICE_NAME', 'shop');
    const [attributes] = await detect({ detectors: ['env'] });
    expect(attributes).toEqual({ team: 'a,b', 'service.name': 'shop', empty: '' });
    vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'a=1,b');
    const [none, run] = await detect({ detectors: ['env'] });
    expect(none).toEqual({});
    expect(run.said).toEqual(['warn Cannot detect "env": Cannot parse OTEL_RESOURCE_ATTRIBUTES: "b" is no key=value']);
  });

  test('the first detector that knows an attribute wins, whichever answers first', async () => {
    const endpoint = await serve(ec2Service);
    const [cloudFirst] = await detect({ detectors: ['ec2', 'host'], ec2: { endpoint } });
    expect(cloudFirst).toMatchObject({ 'host.id': EC2['host.id'], 'host.arch': expect.any(String) as string });
    const [hostFirst] = await detect({ detectors: ['host', 'ec2'], ec2: { endpoint } });
    expect(hostFirst).toMatchObject({ 'host.name': 'web-1.example.com', 'host.type': 't2.micro' });
  });

  test('override decides what becomes of attributes that are there already', async () => {
    const before = { 'host.name': 'app', x: 1 };
    const [replaced] = await detect({ detectors: ['host'] }, before);
    expect(replaced).toMatchObject({ 'host.name': 'web-1.example.com', x: 1 });
    const [kept] = await detect({ detectors: ['host'], override: false }, before);
    expect(kept).toMatchObject({ 'host.name': 'app', x: 1, 'host.id': '3d1219c7c4c5404aaa1f6d2a48adfda4' });
  });

  test('adds only the attributes that are wanted', async () => {
    const [attributes] = await detect({ detectors: ['system'], attributes: ['host.name', 'os.v*'] });
    expect(attributes).toEqual({ 'host.name': 'web-1.example.com', 'os.version': '12' });
  });

  test('stamps a schema on resources without one, and changes records too', async () => {
    const run = runProcessor(resourcedetection, { detectors: ['os'] }, HOST);
    await run.processor.start?.();
    await run.consume(logBatch([logRecord('x')]));
    const [batch] = run.out;
    expect(batch).toMatchObject({
      records: [
        { resource: { schemaUrl: 'https://opentelemetry.io/schemas/1.44.0', attributes: { 'os.type': 'linux' } } },
      ],
    });
  });

  test('hands over the same layout for the same layout', async () => {
    const run = runProcessor(resourcedetection, { detectors: ['os'] }, HOST);
    await run.processor.start?.();
    const batch = metricBatch([series('a'), series('b')], [1, 2]);
    await run.consume(batch);
    await run.consume(batch);
    const [first, second] = run.metrics();
    expect(second!.series).toBe(first!.series);
    expect(first!.series[0]!.resource).toBe(first!.series[1]!.resource);
  });

  test.each([['ec2 x'], ['ftp://x'], ['http://x/path']])('refuses the endpoint "%s"', (endpoint) => {
    expect(() => runProcessor(resourcedetection, { ec2: { endpoint } })).toThrow('an address such as');
  });
});

describe('resourcedetection in a cloud', () => {
  test('ec2 asks with a token', async () => {
    const [attributes] = await detect({ detectors: ['ec2'], ec2: { endpoint: await serve(ec2Service) } });
    expect(attributes).toEqual(EC2);
  });

  test('ec2 asks without a token where the service knows none', async () => {
    const endpoint = await serve((request) =>
      request.url === '/latest/dynamic/instance-identity/document' ? JSON.stringify(IDENTITY) : undefined,
    );
    const { 'host.name': _, ...withoutName } = EC2;
    expect((await detect({ detectors: ['ec2'], ec2: { endpoint } }))[0]).toEqual(withoutName);
  });

  test('gcp keeps an id that no number holds', async () => {
    const values: Record<string, string> = {
      'instance/id': '4520031799277581759',
      'instance/name': 'gke-node-1',
      'instance/zone': 'projects/123/zones/europe-west1-b',
      'instance/machine-type': 'projects/123/machineTypes/e2-small',
      'project/project-id': 'my-project',
    };
    const service = (known: Record<string, string>) => (request: IncomingMessage) => {
      const body = known[request.url!.replace('/computeMetadata/v1/', '')];
      if (request.headers['metadata-flavor'] !== 'Google') return { status: 403 };
      return body === undefined ? undefined : { body, headers: { 'Metadata-Flavor': 'Google' } };
    };
    const machine = {
      'cloud.provider': 'gcp',
      'cloud.platform': 'gcp_compute_engine',
      'cloud.account.id': 'my-project',
      'cloud.availability_zone': 'europe-west1-b',
      'cloud.region': 'europe-west1',
      'host.id': '4520031799277581759',
      'host.name': 'gke-node-1',
      'host.type': 'e2-small',
    };
    const gcp = { endpoint: await serve(service(values)) };
    expect((await detect({ detectors: ['gcp'], gcp }))[0]).toEqual(machine);
    const cluster = { endpoint: await serve(service({ ...values, 'instance/attributes/cluster-name': 'c' })) };
    expect((await detect({ detectors: ['gcp'], gcp: cluster }))[0]).toEqual({
      ...machine,
      'cloud.platform': 'gcp_kubernetes_engine',
      'k8s.cluster.name': 'c',
    });
  });

  test('gcp does not believe another service', async () => {
    const [attributes, run] = await detect({ detectors: ['gcp'], gcp: { endpoint: await serve(() => 'x') } });
    expect(attributes).toEqual({});
    expect(run.said).toEqual(['warn Cannot detect "gcp": Cannot use the answer: it is not from Google Cloud']);
  });

  test('azure', async () => {
    const compute = {
      location: 'westeurope',
      name: 'vm1',
      resourceGroupName: 'group',
      resourceId: '/subscriptions/s/resourceGroups/group/providers/Microsoft.Compute/virtualMachines/vm1',
      subscriptionId: 's',
      vmId: '02aab8a4-74ef-476e-8182-f6d2ba4166a6',
      vmScaleSetName: '',
      vmSize: 'Standard_A3',
      zone: '1',
    };
    const endpoint = await serve((request) => {
      if (request.headers['metadata'] !== 'true') return { status: 400 };
      return request.url!.startsWith('/metadata/instance/compute?') ? JSON.stringify(compute) : undefined;
    });
    expect((await detect({ detectors: ['azure'], azure: { endpoint } }))[0]).toEqual({
      'cloud.provider': 'azure',
      'cloud.platform': 'azure.vm',
      'cloud.account.id': 's',
      'cloud.region': 'westeurope',
      'cloud.availability_zone': '1',
      'cloud.resource_id': compute.resourceId,
      'host.id': compute.vmId,
      'host.name': 'vm1',
      'host.type': 'Standard_A3',
      'azure.vm.name': 'vm1',
      'azure.vm.size': 'Standard_A3',
      'azure.resourcegroup.name': 'group',
    });
  });

  test('digitalocean and hetzner', async () => {
    const values: Record<string, string> = {
      '/metadata/v1/id': '2756294',
      '/metadata/v1/hostname': 'droplet',
      '/metadata/v1/region': 'nyc3',
      '/hetzner/v1/metadata/instance-id': '42',
      '/hetzner/v1/metadata/hostname': 'server',
      '/hetzner/v1/metadata/region': 'eu-central',
      '/hetzner/v1/metadata/availability-zone': 'fsn1-dc14',
    };
    const endpoint = await serve((request) => values[request.url!]);
    expect((await detect({ detectors: ['digitalocean'], digitalocean: { endpoint } }))[0]).toEqual({
      'cloud.provider': 'digitalocean',
      'cloud.region': 'nyc3',
      'host.id': '2756294',
      'host.name': 'droplet',
    });
    expect((await detect({ detectors: ['hetzner'], hetzner: { endpoint } }))[0]).toEqual({
      'cloud.provider': 'hetzner',
      'cloud.platform': 'hetzner.cloud_server',
      'cloud.region': 'eu-central',
      'cloud.availability_zone': 'fsn1-dc14',
      'host.id': '42',
      'host.name': 'server',
    });
  });

  test.each<[string, Answer, RegExp]>([
    ['refuses', { status: 500 }, /^warn Cannot detect "azure": Cannot ask http:\S+: HTTP 500$/],
    [
      'answers with garbage',
      '<html>',
      /^warn Cannot detect "azure": Cannot parse the instance document: found "<html>"$/,
    ],
    ['answers without end', 'x'.repeat(100_000), /more than 65536 bytes/],
    ['says nothing', SILENCE, /^warn Cannot detect "azure": Cannot ask http:\S+: no answer within 200 ms$/],
  ])('a service that %s costs only itself, and is said once', async (_, answer, message) => {
    const endpoint = await serve(() => answer);
    const [attributes, run] = await detect({
      detectors: ['azure', 'os'],
      azure: { endpoint },
      ...(answer === SILENCE && { timeout: '200ms' }),
    });
    expect(attributes).toMatchObject({ 'os.type': 'linux' });
    expect(run.said).toHaveLength(1);
    expect(run.said[0]).toMatch(message);
  });
});
