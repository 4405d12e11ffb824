/** Numbers, durations and strings as PromQL writes them. */

const UNITS_MS: Readonly<Record<string, number>> = {
  y: 365 * 86_400_000,
  w: 7 * 86_400_000,
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
};

/** Go's time.Duration holds nanoseconds in 63 bits; what is longer is no duration. */
const MAX_DURATION_MS = 9_223_372_036_854;

/** `1h30m` → milliseconds; undefined where it is too long. */
export function parseDuration(text: string): number | undefined {
  let total = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+)(ms|[ywdhms])/g)) total += Number(digits) * UNITS_MS[unit!]!;
  return total > MAX_DURATION_MS ? undefined : total;
}

/** The longest units first; days only where no weeks were meant: as Prometheus prints durations. */
export function durationText(duration_ms: number): string {
  if (duration_ms === 0) return '0s';
  let rest = duration_ms;
  let text = '';
  const take = (unit: string, isExact: boolean): void => {
    const size = UNITS_MS[unit]!;
    if (isExact && rest % size !== 0) return;
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  };
  take('y', true);
  take('w', true);
  for (const unit of ['d', 'h', 'm', 's', 'ms']) take(unit, false);
  return text;
}

/** Whether a number token is a duration, as `5m`. */
export function isDuration(token: string): boolean {
  return /^\d+(?:ms|[ywdhms])/.test(token);
}

/** A number token without sign, not a duration; undefined where it is none (`0x`, 2^1024). */
export function parseNumber(token: string): number | undefined {
  const text = token.replaceAll('_', '').toLowerCase();
  if (text === 'inf') return Infinity;
  if (text === 'nan') return Number.NaN;
  // Go reads integers with a leading zero as octal ones, where their digits are.
  const value = /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** The shortest decimal without exponent (Go's 'f', -1). */
export function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  const text = String(value);
  const scientific = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (scientific === null) return text;
  const [, sign, first, fraction = '', exponentText] = scientific;
  const exponent = Number(exponentText);
  const digits = first! + fraction;
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  return sign + digits.padEnd(exponent + 1, '0');
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const SIMPLE_ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 0x5c,
  "'": 0x27,
  '"': 0x22,
};

/** The text between the quotes, escapes resolved. @throws {SyntaxError} at an escape that there is not */
export function unquote(token: string): string {
  const mark = token[0]!;
  const body = token.slice(1, -1);
  if (mark === '`' || !body.includes('\\')) return body;
  // Escapes are of bytes (`\xff`) as well as of characters.
  const bytes: Buffer[] = [];
  let plain = 0;
  for (let at = body.indexOf('\\'); at >= 0; at = body.indexOf('\\', plain)) {
    bytes.push(Buffer.from(body.slice(plain, at)));
    const rest = body.slice(at + 1);
    const [escape, digits] =
      /^(?:([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|[^])/.exec(rest) ?? [];
    if (escape === undefined) throw new SyntaxError('invalid syntax');
    if (digits !== undefined) bytes.push(byteOf(Number.parseInt(digits, 8)));
    else if (escape.length === 3) bytes.push(byteOf(Number.parseInt(escape.slice(1), 16)));
    else if (escape.length > 3) bytes.push(characterOf(Number.parseInt(escape.slice(1), 16)));
    else {
      const code = SIMPLE_ESCAPES[escape];
      // The other kind of quote needs no escape and has none.
      if (code === undefined || ((escape === '"' || escape === "'") && escape !== mark)) {
        throw new SyntaxError(`unknown escape sequence "\\${escape}"`);
      }
      bytes.push(byteOf(code));
    }
    plain = at + 1 + escape.length;
  }
  bytes.push(Buffer.from(body.slice(plain)));
  try {
    return strictUtf8.decode(Buffer.concat(bytes));
  } catch (cause) {
    // Prometheus has strings of bytes, but no name or value of a label may be anything but UTF-8.
    throw new SyntaxError('escapes make no valid UTF-8', { cause });
  }
}

function byteOf(value: number): Buffer {
  if (value > 255) throw new SyntaxError('escape of more than one byte');
  return Buffer.of(value);
}

function characterOf(code: number): Buffer {
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
    throw new SyntaxError('escape is no valid Unicode code point');
  return Buffer.from(String.fromCodePoint(code));
}
