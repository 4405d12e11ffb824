import { describe, expect, it } from 'vitest';
import { isLoopback, parseDuration, parseSize } from '../../src/config/options.ts';

describe('isLoopback', () => {
  it.each([
    '127.0.0.1:9464',
    '127.8.9.10:1',
    'localhost:80',
    'LOCALHOST:80',
    'a.localhost:80',
    '[::1]:80',
    '[::ffff:127.0.0.1]:80',
  ])('holds for %s', (endpoint) => {
    expect(isLoopback(endpoint)).toBe(true);
  });
  it.each([
    '0.0.0.0:80',
    '[::]:80',
    '10.0.0.1:80',
    'example.com:80',
    '127.0.0.1.example.com:80',
    'localhost.example.com:80',
    '[::ffff:10.0.0.1]:80',
  ])('does not hold for %s', (endpoint) => {
    expect(isLoopback(endpoint)).toBe(false);
  });
});

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['250ms', 250],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['1d', 86_400_000],
    ['10', undefined],
    ['5 s', undefined],
    ['-1s', undefined],
    ['1w', undefined],
    ['', undefined],
  ])('makes of %s: %s ms', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });
});

describe('parseSize', () => {
  it.each([
    ['64MiB', 67_108_864],
    ['500kB', 500_000],
    ['1.5 KiB', 1536],
    ['10', undefined],
    ['10 mb', undefined],
  ])('makes of %s: %s bytes', (text, expected) => {
    expect(parseSize(text)).toBe(expected);
  });
});
