/** Numbers as Go writes them (strconv.FormatFloat), ties to even, which JavaScript rounds up. */

/** More than any tie needs to be told from its neighbours. */
const EXACT_DIGITS = 100;

/** @param precision -1 for as few digits as tell the number apart */
export function floatText(value: number, verb: 'e' | 'f' | 'g', precision: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  return sign + magnitudeText(Math.abs(value), verb, precision);
}

function magnitudeText(value: number, verb: 'e' | 'f' | 'g', precision: number): string {
  if (precision < 0) {
    const shortest = decimalOf(value.toExponential());
    if (verb === 'e') return exponentText(shortest, shortest.digits.length - 1);
    if (verb === 'f') return pointText(shortest, Math.max(shortest.digits.length - shortest.exponent - 1, 0));
    return generalText(shortest, 6);
  }
  const exact = decimalOf(value.toExponential(EXACT_DIGITS));
  if (verb === 'e') return exponentText(rounded(exact, precision + 1), precision);
  if (verb === 'f') return pointText(rounded(exact, exact.exponent + 1 + precision), precision);
  const wanted = precision === 0 ? 1 : precision;
  const decimal = trimmed(rounded(exact, wanted));
  const { length } = decimal.digits;
  return generalText(decimal, wanted > length && length >= decimal.exponent + 1 ? length : wanted);
}

/** digits[0].digits[1]digits[2]… × 10^exponent */
interface Decimal {
  readonly digits: string;
  readonly exponent: number;
}

function decimalOf(exponential: string): Decimal {
  const [mantissa, exponent] = exponential.split('e') as [string, string];
  return trimmed({ digits: mantissa.replace('.', ''), exponent: Number(exponent) });
}

function trimmed({ digits, exponent }: Decimal): Decimal {
  const kept = digits.replace(/0+$/, '');
  return kept === '' ? { digits: '0', exponent: 0 } : { digits: kept, exponent };
}

/** To `count` digits, half to even. */
function rounded({ digits, exponent }: Decimal, count: number): Decimal {
  if (digits === '0' || count >= digits.length) return { digits, exponent };
  if (count < 0) return { digits: '0', exponent: 0 };
  const rest = digits.slice(count);
  const isOdd = count > 0 && Number(digits[count - 1]) % 2 === 1;
  const isUp = rest[0]! > '5' || (rest[0] === '5' && (/[1-9]/.test(rest.slice(1)) || isOdd));
  if (!isUp) return count === 0 ? { digits: '0', exponent: 0 } : { digits: digits.slice(0, count), exponent };
  const up = (BigInt(digits.slice(0, count) || '0') + 1n).toString();
  return { digits: up, exponent: exponent + (up.length > Math.max(count, 0) ? 1 : 0) };
}

/** With an exponent from 10^limit on, and below 10^-4. */
function generalText(decimal: Decimal, limit: number): string {
  const { digits, exponent } = decimal;
  if (exponent < -4 || exponent >= limit) return exponentText(decimal, digits.length - 1);
  return pointText(decimal, Math.max(digits.length - exponent - 1, 0));
}

function exponentText({ digits, exponent }: Decimal, fraction: number): string {
  const padded = digits.padEnd(fraction + 1, '0');
  const size = Math.abs(exponent).toString().padStart(2, '0');
  return `${padded[0]}${fraction > 0 ? `.${padded.slice(1, fraction + 1)}` : ''}e${exponent < 0 ? '-' : '+'}${size}`;
}

function pointText({ digits, exponent }: Decimal, fraction: number): string {
  const isZero = digits === '0';
  const whole = exponent < 0 || isZero ? '0' : digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  if (fraction === 0) return whole;
  const behind = isZero
    ? ''
    : exponent < 0
      ? '0'.repeat(Math.min(-exponent - 1, fraction)) + digits
      : digits.slice(exponent + 1);
  return `${whole}.${behind.slice(0, fraction).padEnd(fraction, '0')}`;
}
