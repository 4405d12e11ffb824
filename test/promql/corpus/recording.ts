/** The corpus as Prometheus answered it once, in a file: `SONDE_RECORD=1` with the integration test writes it anew. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import type { LoadedSeries } from '../../support/queryable.ts';
import type { CorpusAnswers } from '../../integration/oracle/prometheus_answers.ts';
import type { CorpusQuery } from './queries.ts';

interface Recording {
  /** Version of the Prometheus. */
  readonly version: string;
  /** Of the series: other series have other answers. */
  readonly fingerprint: string;
  readonly queries: readonly CorpusQuery[];
  readonly answers: readonly CorpusAnswers[];
}

const FILE = join(import.meta.dirname, '../../fixtures/promql/answers.json.br');
/** Digits that are kept: a hundred times as exact as answers must agree. */
const DIGITS = 15;

export function readRecording(): Recording {
  return JSON.parse(brotliDecompressSync(readFileSync(FILE)).toString(), revive) as Recording;
}

export function writeRecording(recording: Recording): void {
  const text = Buffer.from(JSON.stringify(recording, replace));
  const params = { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: text.length };
  writeFileSync(FILE, brotliCompressSync(text, { params }));
}

/** JSON has no NaN, no infinities and no -0. */
function replace(_key: string, value: unknown): unknown {
  if (typeof value !== 'number') return value;
  if (!Number.isFinite(value) || Object.is(value, -0)) return `\u0000${Object.is(value, -0) ? '-0' : value}`;
  const rounded = Number(value.toPrecision(DIGITS));
  return Number.isSafeInteger(value) || !Number.isFinite(rounded) ? value : rounded;
}

function revive(_key: string, value: unknown): unknown {
  return typeof value === 'string' && /^\u0000(NaN|-?Infinity|-0)$/.test(value) ? Number(value.slice(1)) : value;
}

export function fingerprintOf(all: readonly LoadedSeries[]): string {
  const hash = createHash('sha256');
  for (const { labels, times, values, stale, histograms } of all) {
    hash.update(JSON.stringify([...labels]));
    hash.update(Float64Array.from(times));
    hash.update(Float64Array.from(values));
    hash.update(Uint8Array.from(stale, Number));
    hash.update(JSON.stringify(histograms, replace));
  }
  return hash.digest('hex');
}
