/**
 * Reads the lines of real programs under `test/data/logs/`; `npx vitest run test/logs/samples.test.ts -u` writes what is
 * expected of them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Format, ParsedLine } from '../../src/logs/format.ts';
import { timestampText } from '../../src/text/timestamp.ts';
import { valueJson } from '../../src/text/value_json.ts';
import { parserOf } from './config.ts';

const SAMPLES = join(import.meta.dirname, '../data/logs');
const GOLDEN = join(import.meta.dirname, '../golden/logs');
const files = readdirSync(SAMPLES).filter((name) => name.endsWith('.txt'));

function linesOf(file: string): string[] {
  return readFileSync(join(SAMPLES, file), 'utf8').replace(/\n$/, '').split('\n');
}

/** The name of a file begins with the format of its lines. */
function formatOf(file: string): Format {
  const format = file.split('_')[0]!;
  return format === 'text' ? 'auto' : (format as Format);
}

function rendered(line: string, parsed: ParsedLine | undefined): string {
  if (parsed === undefined) return `${line}\n  (kept whole)\n`;
  const { time, severityNumber, severityText, body, attributes, traceId, spanId, flags, eventName, isPartial } = parsed;
  const parts = [
    time === 0n ? 'no time' : timestampText(time),
    severityNumber === 0 && severityText === '' ? 'no severity' : `${severityNumber} ${severityText}`,
    body === line ? 'whole line' : valueJson(body),
    ...(isPartial === true ? ['partial'] : []),
    ...(traceId === '' ? [] : [`trace ${traceId} ${spanId} ${flags}`]),
    ...(eventName === '' ? [] : [`event ${eventName}`]),
  ];
  const attributeLines = Object.entries(attributes).map(([key, value]) => `    ${key} = ${valueJson(value)}\n`);
  return `${line}\n  ${parts.join(' | ')}\n${attributeLines.join('')}`;
}

describe.each(files)('%s', (file) => {
  test('is read as its golden file says', async () => {
    const parser = parserOf({ format: formatOf(file) });
    const text = linesOf(file).map((line) => rendered(line, parser.parse(line)));
    await expect(text.join('\n')).toMatchFileSnapshot(join(GOLDEN, `${basename(file, '.txt')}.txt`));
  });

  test('has no line that another format takes for its own', () => {
    const own = OWN[formatOf(file)] ?? [formatOf(file)];
    for (const format of (['json', 'clf', 'cri', 'docker'] as const).filter((one) => !own.includes(one))) {
      const parser = parserOf({ format });
      expect(
        linesOf(file).filter((line) => parser.parse(line) !== undefined),
        format,
      ).toEqual([]);
    }
  });
});

describe.each(files.filter((file) => formatOf(file) !== 'auto'))('%s', (file) => {
  test('is read by auto as by its own format', () => {
    const parser = parserOf({ format: formatOf(file) });
    const auto = parserOf({ format: 'auto' });
    for (const line of linesOf(file).filter((one) => !isUnsure(one))) {
      expect(auto.parse(line), line).toEqual(parser.parse(line));
    }
  });
});

/** Docker's lines are JSON, too. */
const OWN: Readonly<Partial<Record<Format, readonly Format[]>>> = { docker: ['docker', 'json'] };

/** Nothing tells a line without a level from settings, nor one with bare words from text: auto keeps such lines whole. */
function isUnsure(line: string): boolean {
  return line.startsWith('at=info') || line.endsWith(' retried final');
}
