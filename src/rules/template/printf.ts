/** `printf` of Go, for the values that templates have. */
import { floatText } from './float_text.ts';
import { TemplateError, typeName, valueText, type Value } from './values.ts';

/** Blanks that a width may ask for. */
const MAX_WIDTH = 1000;

interface Verb {
  readonly letter: string;
  readonly flags: string;
  readonly width: number;
  readonly precision: number | undefined;
}

export function sprintf(format: string, args: readonly Value[]): string {
  let text = '';
  let next = 0;
  const directive = /%([-+# 0]*)(\d*)(?:\.(\d*))?([\s\S]?)/gu;
  let end = 0;
  for (const match of format.matchAll(directive)) {
    text += format.slice(end, match.index);
    end = match.index + match[0].length;
    const [, flags = '', width = '', precision, letter = ''] = match;
    if (letter === '%') text += '%';
    else if (letter === '') text += '%!(NOVERB)';
    else if (next >= args.length) text += `%!${letter}(MISSING)`;
    else {
      const limits = { width: Number(width), precision: precision === undefined ? undefined : Number(precision) };
      if (limits.width > MAX_WIDTH || (limits.precision ?? 0) > MAX_WIDTH) {
        throw new TemplateError(`printf: a width of more than ${MAX_WIDTH}`);
      }
      text += formatOne(args[next++], { letter, flags, ...limits });
    }
  }
  text += format.slice(end);
  if (next < args.length) {
    const extra = args.slice(next).map((arg) => (arg === undefined ? '<nil>' : `${typeName(arg)}=${plain(arg)}`));
    text += `%!(EXTRA ${extra.join(', ')})`;
  }
  return text;
}

function formatOne(value: Value, verb: Verb): string {
  if (value === undefined) return pad(verb.letter === 'v' ? '<nil>' : `%!${verb.letter}(<nil>)`, verb);
  if (verb.letter === 'T') return pad(typeName(value), verb);
  const written =
    typeof value === 'number'
      ? formatFloat(value, verb)
      : typeof value === 'bigint'
        ? formatInteger(value, verb)
        : typeof value === 'boolean'
          ? 'vt'.includes(verb.letter)
            ? pad(String(value), verb)
            : undefined
          : formatText(value, verb);
  return written ?? `%!${verb.letter}(${typeName(value)}=${plain(value)})`;
}

function plain(value: Value): string {
  return valueText(value, 1);
}

function formatFloat(value: number, verb: Verb): string | undefined {
  const { precision } = verb;
  const kind = verb.letter.toLowerCase();
  let text: string;
  if (verb.letter === 'v' || kind === 'g') text = floatText(value, 'g', precision ?? -1);
  else if (kind === 'e' || kind === 'f') text = floatText(value, kind, precision ?? 6);
  else return undefined;
  if (verb.letter !== kind) text = text.toUpperCase().replace('INF', 'Inf').replace('NAN', 'NaN');
  return signed(
    text.replace(/^\+/, ''),
    verb,
    Number.isFinite(value) || verb.flags.includes('+') ? '' : text[0] === '+' ? '+' : '',
  );
}

const BASES: Readonly<Record<string, number>> = { d: 10, v: 10, x: 16, X: 16, o: 8, b: 2 };

function formatInteger(value: bigint, verb: Verb): string | undefined {
  const { letter } = verb;
  if (letter === 'c') return pad(String.fromCodePoint(Number(BigInt.asUintN(20, value))), verb);
  if (letter === 'q') return pad(`'${String.fromCodePoint(Number(BigInt.asUintN(20, value)))}'`, verb);
  const base = BASES[letter];
  if (base === undefined) return undefined;
  const digits = value.toString(base);
  return signed(letter === 'X' ? digits.toUpperCase() : digits, verb, '');
}

function formatText(value: Value, verb: Verb): string | undefined {
  const text = plain(value);
  const cut = verb.precision === undefined ? text : Array.from(text).slice(0, verb.precision).join('');
  if (verb.letter === 's' || verb.letter === 'v') return pad(cut, verb);
  if (typeof value !== 'string') return undefined;
  if (verb.letter === 'q') return pad(JSON.stringify(cut), verb);
  if (verb.letter !== 'x' && verb.letter !== 'X') return undefined;
  const hex = Buffer.from(cut).toString('hex');
  return pad(verb.letter === 'X' ? hex.toUpperCase() : hex, verb);
}

function signed(text: string, verb: Verb, forced: string): string {
  const isNegative = text.startsWith('-');
  const sign = isNegative ? '-' : verb.flags.includes('+') ? '+' : verb.flags.includes(' ') ? ' ' : forced;
  const digits = isNegative ? text.slice(1) : text;
  const isPadded = verb.flags.includes('0') && !verb.flags.includes('-') && /^\d/.test(digits);
  return isPadded ? sign + digits.padStart(verb.width - sign.length, '0') : pad(sign + digits, verb);
}

function pad(text: string, { flags, width }: Verb): string {
  const blanks = ' '.repeat(Math.max(width - Array.from(text).length, 0));
  return flags.includes('-') ? text + blanks : blanks + text;
}
