import { describe, expect, it } from 'vitest';
import { nearest, suggestion } from '../../src/config/suggest.ts';

const KNOWN = ['collection_interval', 'timeout', 'metrics', 'cpu', 'tls'];

describe('nearest', () => {
  it.each([
    ['colection_interval', 'collection_interval'],
    ['collectionInterval', 'collection_interval'],
    ['collection-interval', 'collection_interval'],
    ['tiemout', 'timeout'],
    ['metric', 'metrics'],
    ['cpus', 'cpu'],
    ['TLS', 'tls'],
    ['endpoint', undefined],
    ['x', undefined],
    ['', undefined],
  ])('finds for %s: %s', (name, expected) => {
    expect(nearest(name, KNOWN)).toBe(expected);
  });
});

describe('suggestion', () => {
  it('lists what is known where nothing is near', () => {
    expect(suggestion('endpoint', KNOWN)).toBe('known: collection_interval, timeout, metrics, cpu, tls');
    expect(suggestion('endpoint', [])).toBeUndefined();
  });
});
