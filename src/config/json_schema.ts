/** The JSON Schema (draft 2020-12) of the whole file, with which editors complete and check it. */
import type { MetricDefinition } from '../component.ts';
import { AGENT_SHAPE } from './agent_settings.ts';
import { RESOURCE, SECTIONS, SERVICE, SINGULAR, type Definition, type Registry } from './registry.ts';
import { readShape, type ListShape, type NumberShape, type Shape, type TextShape } from './shape.ts';

type JsonSchema = { [key: string]: unknown };

const ID_SUFFIX = String.raw`(/[^\s/]+)?$`;
const DURATION = String.raw`^(0|(\d+(\.\d+)?(ms|s|m|h|d))+)$`;
const SIZE = String.raw`^\d+(\.\d+)?\s*(B|kB|MB|GB|KiB|MiB|GiB|TiB)$`;
/** Any option may be written as a reference, whatever its type. */
const REFERENCE = { $ref: '#/$defs/reference' };

export function configSchema(registry: Registry): JsonSchema {
  const definitions: JsonSchema = {
    reference: { type: 'string', pattern: String.raw`\$\{(env|file):`, description: '${env:NAME}, ${file:PATH}' },
  };
  const properties: JsonSchema = { agent: nullable(toSchema(AGENT_SHAPE)), resource: toSchema(readShape(RESOURCE)) };
  for (const section of SECTIONS) {
    const patternProperties: JsonSchema = {};
    for (const definition of registry[section] as readonly Definition[]) {
      const name = `${SINGULAR[section]}.${definition.type}`;
      definitions[name] = componentSchema(definition);
      patternProperties[`^${definition.type}${ID_SUFFIX}`] = { $ref: `#/$defs/${name}` };
    }
    const description = `The ${section}, by id: type or type/name.`;
    properties[section] = { type: ['object', 'null'], description, patternProperties, additionalProperties: false };
  }
  properties['extensions'] = { type: ['object', 'null'], maxProperties: 0, description: 'There are none yet.' };
  properties['service'] = serviceSchema();
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Configuration of Sonde',
    type: 'object',
    properties,
    additionalProperties: false,
    $defs: definitions,
  };
}

function serviceSchema(): JsonSchema {
  const service = toSchema(readShape(SERVICE));
  const properties = service['properties'] as { pipelines: JsonSchema };
  const { additionalProperties: pipeline, ...rest } = properties.pipelines;
  const patternProperties = { [`^(metrics|logs|traces)${ID_SUFFIX}`]: pipeline };
  return {
    ...service,
    properties: { ...properties, pipelines: { ...rest, patternProperties, additionalProperties: false } },
  };
}

function componentSchema(definition: Definition): JsonSchema {
  const schema = { ...nullable(toSchema(readShape(definition.config))), description: definition.about };
  if (definition.kind !== 'receiver') return schema;
  const metrics: readonly MetricDefinition[] = Object.values(definition.metrics);
  const properties = (schema as JsonSchema)['properties'] as { metrics: JsonSchema };
  const override = properties.metrics['additionalProperties'] as JsonSchema;
  const byName = metrics.map(({ name, about, unit }) => [name, { ...override, description: `${about} [${unit}]` }]);
  const limited = { ...properties.metrics, properties: Object.fromEntries(byName), additionalProperties: false };
  return { ...schema, properties: { ...properties, metrics: limited } };
}

/** A component or section with nothing after its colon has its defaults. */
function nullable(schema: JsonSchema): JsonSchema {
  return schema['type'] === 'object' ? { ...schema, type: ['object', 'null'] } : schema;
}

function toSchema(shape: Shape): JsonSchema {
  const common: JsonSchema = {};
  if (shape.about !== '') common['description'] = shape.about;
  if (shape.byDefault !== undefined) common['default'] = shape.byDefault;
  return { ...common, ...typeSchema(shape) };
}

function typeSchema(shape: Shape): JsonSchema {
  switch (shape.kind) {
    case 'object': {
      const entries = [...shape.entries].map(([name, entry]) => [name, nullable(toSchema(entry))] as const);
      const required = [...shape.entries].filter(([, { isRequired }]) => isRequired).map(([name]) => name);
      return {
        type: 'object',
        properties: Object.fromEntries(entries),
        ...(required.length > 0 ? { required } : {}),
        ...(shape.isOpen ? {} : { additionalProperties: false }),
      };
    }
    case 'map':
      return { type: 'object', additionalProperties: toSchema(shape.value) };
    case 'list':
      return listSchema(shape);
    case 'union':
      return shape.format === 'size'
        ? { anyOf: [{ type: 'string', pattern: SIZE }, { type: 'integer', minimum: 0 }, REFERENCE] }
        : { anyOf: shape.choices.map(toSchema) };
    case 'choice':
      return { anyOf: [{ enum: shape.values }, REFERENCE] };
    case 'boolean':
      return { anyOf: [{ type: 'boolean' }, REFERENCE] };
    case 'number':
      return { anyOf: [numberSchema(shape), REFERENCE] };
    case 'text':
      return textSchema(shape);
    case 'any':
      return {};
  }
}

function listSchema({ item, minLength, maxLength }: ListShape): JsonSchema {
  return {
    type: 'array',
    items: toSchema(item),
    ...(minLength === undefined ? {} : { minItems: minLength }),
    ...(maxLength === undefined ? {} : { maxItems: maxLength }),
  };
}

function numberSchema({ isInteger, min, max }: NumberShape): JsonSchema {
  return {
    type: isInteger ? 'integer' : 'number',
    ...(min === undefined ? {} : { minimum: min }),
    ...(max === undefined ? {} : { maximum: max }),
  };
}

function textSchema({ format, pattern, minLength, maxLength }: TextShape): JsonSchema {
  const shown = format === 'duration' ? DURATION : pattern;
  const schema = {
    type: 'string',
    ...(minLength === undefined ? {} : { minLength }),
    ...(maxLength === undefined ? {} : { maxLength }),
  };
  return shown === undefined ? schema : { anyOf: [{ ...schema, pattern: shown }, REFERENCE] };
}
